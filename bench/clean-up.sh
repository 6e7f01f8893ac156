#!/bin/sh
# Reads commands, a line each, until its stdin ends, which the death of the benchmark does as well as its end; then
# runs them, the last one first. What the benchmark starts it announces here before.
trap '' INT TERM HUP
undo=
while IFS= read -r line; do
  undo="$line
$undo"
done
eval "$undo"
