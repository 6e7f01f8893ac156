/** What the man page of each command says beyond commander's tree. */
import { FILES } from './man-texts.mjs';

const DAEMON_FILES = Object.keys(FILES);

export const PAGES = {
  exec: {
    description: [
      'Options stand before or after SANDBOX, up to -- or the first word of COMMAND. What follows is given to the command as it is and never joined into a shell string. Without a SANDBOX, write -- before the command.',
      'A pipe, file or socket on stdin is forwarded in both modes; a terminal only with --stream. It is never read to its end before the command starts, and never waited for after the command has ended.',
      'INT, TERM, HUP, QUIT, USR1 and USR2 are forwarded to the process group of the command. The third INT within three seconds kills it; where the server is out of reach it ends sbx with 125, and the server ends the command when --reconnect-grace is over. When our stdout is closed, the stdout of the command is closed, so that it meets SIGPIPE as it would here.',
      'The environment of the command is PATH, HOME, USER, LOGNAME, SHELL, HOSTNAME and LANG=C.UTF-8, and what -e and --env-file add: nothing of the caller.',
      "With --detach nobody holds the command back and nobody's going ends it. Its id is printed when it runs; one that cannot be started is reported at once. Its output goes to a log, of which sbx-logs(1) prints what is kept; sbx-attach(1), sbx-wait(1) and sbx-kill(1) take the id, which may be shortened to 8 characters.",
      'A connection that is cut is resumed where it was, with nothing lost or doubled. The command is ended when it has not come back in the time of --reconnect-grace, unless --on-disconnect is keep. Where sbx is ended before the command is known to run, or cannot read its stdin, the command is ended in any case.',
      'With --host or SBX_HOST the command runs where that server is: no daemon is looked for or started here. The server chooses the runtime, so that --runtime is refused. A path in the address, as in https://host/sbx, is put before every path of the API.',
      'With --json one object is printed when the command has ended: id, sandbox, exit ({"code": N}, {"signal": "KILL"} or null), reason, status, error, bytes, duration_ms, drain_truncated, and stdout and stderr, each {"text": ...} where all of it is valid UTF-8, else {"base64": ...}. The exit status is as without it. Errors, also in the words of the command line, are in this object and not on stderr.',
      'With --stream --json an event is printed a line: started first; stdout and stderr with the offset of their bytes in the stream, the time, and text or base64; last and once exit, or error. When our stdout is closed both streams of the command are.',
      'With --json-input stdin is requests, a JSON object a line: {"stdin": "text"}, {"stdin_base64": "..."}, {"eof": true}, {"signal": "TERM"}. They are obeyed in their order, and read no further than the command takes its stdin; so a signal waits behind input that is not read, while one that is sent to sbx itself does not. Signals may follow the end of stdin. A line that is no request, or is longer than 16 MiB, is answered with the event input_error and its line number, and the exec goes on; stdin_closed says that the command can read no more.',
      'With --detach --json the object has id and sandbox; a command that cannot be started is an object with error, and the status as without it.',
      'The package has the JSON Schema of all this, docs/sbx.schema.json.',
      'Durations look like 500ms, 30s, 5m or 2h. Sizes look like 500k, 64MiB or 1G.',
    ],
    statuses: 'exec',
    environment: ['SBX_HOST', 'NODE_EXTRA_CA_CERTS', 'SBX_STATE_DIR', 'SBX_RUNTIME', 'TMPDIR'],
    files: DAEMON_FILES,
    examples: [
      ['In the middle of a pipeline', 'cat access.log | sbx exec -- sort | uniq -c'],
      ['Talk with a program line by line', 'sbx exec --stream box -- python3 -u server.py'],
      ['For a program', "sbx exec --json box -- make test | jq -r '.exit, .stdout.text'"],
      ['With a limit of time; the status is then 124', 'sbx exec --timeout 30s box -- make test'],
      [
        'On another machine, through a tunnel of ssh',
        'ssh -fNL /tmp/far.sock:/var/lib/sbx/sbx.sock far',
        'sbx exec --host unix:///tmp/far.sock -- uname -n',
      ],
      ['With a variable of the caller, as another user', 'sbx exec -e LANG -u nobody box -- env'],
      ['In the background', 'id=$(sbx exec -d box -- make test)', 'sbx logs -f "$id"', 'sbx wait "$id"'],
    ],
    seeAlso: ['attach', 'create', 'doctor', 'logs', 'ps', 'setup', 'wait'],
  },
  rsh: {
    description: [
      'It is what to set RSYNC_RSH, GIT_SSH_COMMAND or BORG_RSH to. The words are joined by spaces and given to sh -c in the sandbox, in /workspace, as ssh gives them to the shell of a user. A sandbox must be there: none is made for it.',
      'Options are as in ssh: in clusters, before the sandbox or after it, up to the first WORD or --. Of several users the first counts. In SendEnv * and ? stand for parts of names, -NAME takes one back, and a variable that is not set is passed over.',
      'There is no connection, so -1, -2, -4, -6, -a, -B, -b, -C, -c, -E, -e, -F, -g, -I, -i, -k, -M, -m, -P, -p, -q, -S, -T, -v, -x, -y, and the names of ssh_config(5) that decide how one is made and checked, are accepted and mean nothing. No configuration file of ssh is read. The server is that of SBX_HOST where it is set.',
      'What ssh would do and a sandbox cannot is refused by name: a terminal (-t), forwarding (-A, -D, -L, -R, -W, -w, -X, -Y), going to the background (-f, -N), and -J, -K, -O, -Q, -s, -V. Without a WORD ssh would open a login shell: this is refused too.',
    ],
    statuses: 'exec',
    environment: ['SBX_HOST', 'NODE_EXTRA_CA_CERTS', 'SBX_STATE_DIR', 'SBX_RUNTIME'],
    files: DAEMON_FILES,
    examples: [
      [
        'Copy a tree into a sandbox, and back',
        "rsync -a -e 'sbx rsh' src/ box:src/",
        "rsync -a -e 'sbx rsh' box:src/ src/",
      ],
      ['Clone a repository that is in a sandbox', "GIT_SSH_COMMAND='sbx rsh' git clone box:repository"],
    ],
    seeAlso: ['exec', 'create'],
  },
  ps: {
    description: [
      'STATE is created, running, exited, failed (the command did not start) or lost (how it ended is not known). STATUS is what sbx wait exits with. Ids are shown by their first 8 characters; --quiet and --json print them whole.',
      'Records are kept for 24 hours after the end, and the newest 1,000 of a user; those of execs with a log for 7 days, however many there are. An exec has a log where it was started with --detach or --log, or went on by --on-disconnect keep.',
    ],
    environment: ['SBX_HOST', 'NODE_EXTRA_CA_CERTS', 'SBX_STATE_DIR'],
    files: DAEMON_FILES,
    examples: [['End all that run in a sandbox', 'sbx ps -q box | xargs -r sbx kill']],
    seeAlso: ['exec', 'kill', 'logs', 'rm'],
  },
  logs: {
    description: [
      'Of an exec that goes on by --on-disconnect keep the output is kept from where its client had gone.',
      'Without --follow it prints what there is and ends. A log has a most that it keeps (--log-size of sbx exec); where older output was dropped, a line on stderr says how many bytes.',
      'With --json an event is printed a line, on stdout alone: stdout and stderr with the offset of their bytes in the stream, the time, and text or base64; gap, with stream, from and to, where bytes were dropped; last, error where something failed.',
      'With --tail or --since whole lines count, by the time at which their first byte came. Lines of both streams are printed as they come, in the order within a stream; where both go to one pipe whose reader is slow, lines of one may come before those of the other.',
    ],
    statuses: [
      [0, 'it was printed, however the exec ended'],
      [125, 'it was not, as for an exec whose output is not kept; stderr says why'],
      ['128+n', 'it was interrupted by signal n; 141 (PIPE) when its reader left'],
    ],
    environment: ['SBX_HOST', 'NODE_EXTRA_CA_CERTS', 'SBX_STATE_DIR'],
    files: DAEMON_FILES,
    examples: [
      ['The last ten lines, and what comes', 'sbx logs -f --tail 10 5b0c9a41'],
      ['Only errors of the last hour, with times', 'sbx logs --stderr --since 1h -t 5b0c9a41'],
    ],
    seeAlso: ['attach', 'exec', 'ps'],
  },
  attach: {
    description: [
      'Any number of clients may watch an exec; one at a time is its owner client. Who only watches forwards nothing: a signal or a closed stdout ends the watching, and the exec goes on. A watcher that falls behind misses bytes, and a line on stderr says how many.',
      'An exec that was started with --detach has no owner client, so that the first sbx attach becomes it; when it leaves, the exec goes on.',
      'With --json the events are those of sbx exec --stream --json. The first is attached, with owner and the offsets at which the streams begin; gap says where a watcher misses bytes, and taken that another client has become the owner.',
    ],
    statuses: 'exec',
    ended: 'signal n ended the watching; 141 (PIPE) when its reader left',
    environment: ['SBX_HOST', 'NODE_EXTRA_CA_CERTS', 'SBX_STATE_DIR'],
    files: DAEMON_FILES,
    examples: [
      [
        'Start a shell, and feed it later',
        'id=$(sbx exec -d -i box -- sh)',
        'echo "make test" | sbx attach "$id"',
      ],
      ['Watch from the beginning', 'sbx attach -n --from start 5b0c9a41'],
    ],
    seeAlso: ['exec', 'logs', 'wait'],
  },
  wait: {
    description: [
      'A signal ends the waiting, not the exec.',
      'With --json one object is printed: id, sandbox, exit, reason, status and error, as by sbx exec --json. Where there is no such exec it has error alone.',
    ],
    statuses: 'exec',
    ended: 'signal n ended the waiting',
    environment: ['SBX_HOST', 'NODE_EXTRA_CA_CERTS', 'SBX_STATE_DIR'],
    files: DAEMON_FILES,
    examples: [['Two at once', 'a=$(sbx exec -d box -- make a)', 'sbx exec box -- make b', 'sbx wait "$a"']],
    seeAlso: ['attach', 'exec', 'ps'],
  },
  kill: {
    description: [
      'It does not wait for the end, which sbx-wait(1) does. It does all that it can; the status is that of the first error.',
    ],
    environment: ['SBX_HOST', 'NODE_EXTRA_CA_CERTS', 'SBX_STATE_DIR'],
    files: DAEMON_FILES,
    examples: [
      ['Give it a minute', 'sbx kill --kill-after 1m 5b0c9a41'],
      ['Have it read its configuration again', 'sbx kill -s HUP 5b0c9a41'],
    ],
    seeAlso: ['exec', 'ps', 'wait'],
  },
  create: {
    environment: ['SBX_HOST', 'NODE_EXTRA_CA_CERTS', 'SBX_STATE_DIR', 'SBX_RUNTIME'],
    files: DAEMON_FILES,
    examples: [
      ['A sandbox that goes by itself', 'sbx create --ttl 2h --label job=42 box'],
      ['In a script', 'name=$(sbx create)', 'sbx exec "$name" -- true', 'sbx rm "$name"'],
    ],
    seeAlso: ['exec', 'ls', 'rm'],
  },
  ls: {
    environment: ['SBX_HOST', 'NODE_EXTRA_CA_CERTS', 'SBX_STATE_DIR'],
    files: DAEMON_FILES,
    examples: [['Remove them all', 'sbx ls -q | xargs -r sbx rm']],
    seeAlso: ['create', 'inspect', 'rm'],
  },
  inspect: {
    environment: ['SBX_HOST', 'NODE_EXTRA_CA_CERTS', 'SBX_STATE_DIR'],
    files: DAEMON_FILES,
    examples: [['The runtime of a sandbox', 'sbx inspect box | jq -r .runtime']],
    seeAlso: ['create', 'ls'],
  },
  rm: {
    description: [
      'Execs that run in a removed sandbox end with status 137. It removes all that it can; the status is that of the first error.',
    ],
    environment: ['SBX_HOST', 'NODE_EXTRA_CA_CERTS', 'SBX_STATE_DIR'],
    files: DAEMON_FILES,
    examples: [
      ['Remove two', 'sbx rm box other'],
      ['Forget an exec, with its log', 'sbx rm --exec 5b0c9a41'],
    ],
    seeAlso: ['create', 'ls', 'ps'],
  },
  daemon: {
    description: [
      'While it stops it refuses what is new. Execs that have a client may take the time of --stop-timeout to end by themselves; the others, such as detached ones, are ended at once, and so is everything where sbx daemon stop is called again. How they ended is on record, and what they wrote is in their logs.',
      'It is about the daemon of this user on this machine: SBX_HOST is ignored.',
    ],
    statuses: [
      [0, 'it was done; with status: the daemon runs'],
      [1, 'with status: the daemon does not run'],
      [125, 'it was not done; stderr says why'],
    ],
    environment: ['SBX_STATE_DIR', 'SBX_RUNTIME'],
    files: DAEMON_FILES,
    examples: [
      ['Use a new version when nothing runs', 'sbx daemon restart --if-idle'],
      ['Or when what runs has ended, in an hour at the latest', 'sbx daemon restart --stop-timeout 1h'],
    ],
    seeAlso: ['serve', 'doctor'],
  },
  serve: {
    description: [
      'TERM, INT and HUP stop it. From then on it refuses what is new, and waits until no exec with a client runs or the time of --stop-timeout has passed; a second signal ends the waiting. The execs that still run, and those without a client, such as detached ones, are then ended with TERM, and KILL when that has not helped in their --kill-after; their clients are told, and their records and logs say so. Sandboxes survive.',
      'SBX_HOST is ignored: this is the server.',
    ],
    environment: ['SBX_STATE_DIR', 'SBX_RUNTIME'],
    files: DAEMON_FILES,
    examples: [['Under a service manager', 'sbx serve --idle-exit 24h']],
    seeAlso: ['daemon'],
  },
  setup: {
    description: [
      'Of the runtimes crun is preferred; runc is installed where crun is there and does not work. Where nothing is missing it only tries a sandbox. The output of the package manager goes to stderr.',
      'Installing needs root. Without a terminal to ask on, and without --yes, it fails.',
      'It is about this machine: SBX_HOST is ignored.',
    ],
    statuses: [
      [0, 'a sandbox works here'],
      [125, 'something is still missing, or nothing may be installed; stderr says what to type'],
    ],
    environment: ['SBX_STATE_DIR', 'SBX_RUNTIME', 'PATH'],
    files: DAEMON_FILES,
    examples: [['In a script or an image', 'sbx setup --yes']],
    seeAlso: ['doctor', 'exec'],
  },
  doctor: {
    description: [
      'Each line is "ok", a "note" (commands run, but something is worth to know), or a "problem", with what to type.',
      'It is about this machine: SBX_HOST is ignored.',
    ],
    statuses: [
      [0, 'commands can run here'],
      [125, 'they cannot: at least one line is a problem'],
    ],
    environment: ['SBX_STATE_DIR', 'SBX_RUNTIME', 'NO_COLOR'],
    files: DAEMON_FILES,
    examples: [['Before a job', 'sbx doctor || sbx setup --yes']],
    seeAlso: ['setup', 'daemon'],
  },
  version: {
    environment: [],
    files: [],
    examples: [['For a report of a bug', 'sbx version; sbx doctor']],
    seeAlso: ['doctor'],
  },
};
