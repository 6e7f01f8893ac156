import { spawn, type ChildProcess } from 'node:child_process';
import { HOST_PATH } from './runtime.ts';

/**
 * Waits for the end of its stdin, which comes when the daemon is gone, however it went; then ends what was running.
 * A process is known by its number and start time together, so that a number in new hands is left alone. All are ended
 * before one look at every process finds what else is in their sessions.
 *
 * Lines: `start FILE` (a runtime is about to write the pid there), `run FILE PID GROUP SESSION STARTTIME`, `end FILE`.
 */
const SCRIPT = `
list=
drop() {
  kept=
  for entry in $list; do
    case $entry in "$1|"*) ;; *) kept="$kept $entry" ;; esac
  done
  list=$kept
}
while read -r verb file rest; do
  drop "$file"
  case $verb in
    start) list="$list $file|" ;;
    run) set -- $rest; list="$list $file|$1|$2|$3|$4" ;;
  esac
done
# Without another program: there may be thousands. A name may have newlines in it.
stat() {
  text=
  while read -r line; do text="$text $line"; done 2>/dev/null <"/proc/$1/stat" || return 1
  set -- \${text##*) }
  group=$3 session=$4 start=\${20}
}
sessions=' '
strike() {
  kill -KILL -- "-$2" "$1" 2>/dev/null
  sessions="$sessions$3 "
}
starting=
for entry in $list; do
  IFS='|'
  set -- $entry
  IFS=' '
  if [ $# -eq 1 ]; then
    starting="$starting $1"
  elif stat "$2" && [ "$start" = "$5" ]; then
    strike "$2" "$3" "$4"
  fi
done
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  missing=
  for file in $starting; do
    pid=
    read -r pid 2>/dev/null <"$file"
    if [ -n "$pid" ] && stat "$pid"; then strike "$pid" "$group" "$session"; else missing="$missing $file"; fi
  done
  starting=$missing
  [ -z "$starting" ] && break
  sleep 0.1
done
[ "$sessions" = ' ' ] && exit
for dir in /proc/[0-9]*; do
  stat "\${dir#/proc/}" || continue
  case $sessions in *" $session "*) kill -KILL "\${dir#/proc/}" 2>/dev/null ;; esac
done
`;

/** A process that the warden ends when this one dies. */
export interface Ward {
  readonly pid: number;
  readonly group: number;
  readonly session: number;
  readonly startTime: string;
}

/** A small process that outlives this one just long enough to end the commands that run. */
export class Warden {
  readonly #child: ChildProcess;
  readonly #log: (line: string) => void;

  constructor(log: (line: string) => void) {
    this.#log = log;
    // Node's pipe to it is close-on-exec, so this process alone holds it.
    this.#child = spawn('/bin/sh', ['-c', SCRIPT, 'sbx-warden'], {
      stdio: ['pipe', 'ignore', 'ignore'],
      cwd: '/',
      env: { PATH: HOST_PATH },
      detached: true,
    });
    this.#child.on('error', (error) => log(`The warden cannot start: ${error.message}`));
    this.#child.stdin?.on('error', (error) => log(`The warden has gone: ${error.message}`));
    this.#child.unref();
  }

  /** A runtime is about to write the pid of a new command to `pidFile`. */
  announce(pidFile: string): void {
    this.#write(`start ${pidFile}`);
  }

  guard(pidFile: string, ward: Ward): void {
    this.#write(`run ${pidFile} ${ward.pid} ${ward.group} ${ward.session} ${ward.startTime}`);
  }

  forget(pidFile: string): void {
    this.#write(`end ${pidFile}`);
  }

  /** Ends the warden, which ends what it still guards. */
  close(): Promise<void> {
    const { exitCode, signalCode, pid } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.ref();
      this.#child.stdin?.end();
    });
  }

  #write(line: string): void {
    if (!this.#child.stdin?.writable)
      return this.#log('The warden has gone: commands may outlive this server');
    this.#child.stdin.write(`${line}\n`);
  }
}
