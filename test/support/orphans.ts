/**
 * A shell script that leaves orphans, kills them, and says `reaped` when nothing is left of them, not even a zombie.
 * For a sandbox in which no other process is called `sleep`.
 */
export const ORPHANS = `
for i in 1 2 3 4 5; do sh -c 'sleep 1000 >/dev/null 2>&1 &'; done
until [ "$(pgrep -xc sleep)" = 5 ]; do :; done
pkill -x sleep
while grep -qsE '^(Name:.sleep|State:.Z)' /proc/[0-9]*/status; do :; done
echo reaped`;
