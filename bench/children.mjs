/** The programs that the commands which are measured run. */

export const python = '/usr/bin/python3';

/** Answers each line with one, as a tool that an agent talks to does. */
export const replyLoop = [
  'import sys, json',
  'for line in sys.stdin:',
  '    print(json.dumps({"n": json.loads(line)["n"], "reply": "a line of about the same length as the request"}), flush=True)',
].join('\n');

export const countBytes = [
  'import os',
  'total, buffer = 0, bytearray(131072)',
  'while count := os.readv(0, [buffer]): total += count',
  'print(total)',
].join('\n');

/** A line a millisecond, with the time at which it was written: that clock is one for the whole machine. */
export const writeTimes = [
  'import os, time',
  'while True:',
  '    os.write(1, b"%d\\n" % time.monotonic_ns())',
  '    time.sleep(0.001)',
].join('\n');
