/** What the man pages and the README say beyond commander's tree. The numbers come from the code. */

/** Status of `sbx exec`, and of `sbx rsh` → when. `code` is what src/protocol/ exports. */
export function toExecStatuses({ ERRORS, SBX_FAILED, toExitStatus }) {
  const ended = (exit, reason = 'exited') => toExitStatus({ exit, reason });
  const killed = ended({ signal: 'KILL' }, 'killed');
  return [
    [`${ended({ code: 0 })}–${ended({ code: 255 })}`, "the command's own exit code"],
    [
      `128+n`,
      `the command died of signal n; ${killed} (KILL) also after a third Ctrl-C or when its sandbox was removed`,
    ],
    [ended({ code: 0 }, 'timeout'), 'the time of --timeout was over, whatever the command made of its TERM'],
    [
      SBX_FAILED,
      'sbx itself failed, or cannot know how the command ended: bad usage, no such sandbox, no working runtime, the server is gone, our own output could not be written',
    ],
    [
      ERRORS.cannot_execute.exit,
      'the command was found but cannot be executed; also a bad working directory or user, or an argument that is too long',
    ],
    [ERRORS.command_not_found.exit, 'the command was not found in the sandbox'],
  ];
}

/** The same for a command that follows an exec which was there. `ended` says what a signal to the command itself does. */
export function toFollowerStatuses(statuses, ended) {
  return statuses.map(([status, when]) => [status, status === '128+n' ? `${when}; or ${ended}` : when]);
}

export const OTHER_STATUSES = [
  [0, 'it was done'],
  [125, 'it was not; stderr says why, and what to type'],
];

export const ENVIRONMENT = {
  SBX_STATE_DIR:
    'Where the state of this user lies. The default is /var/lib/sbx for root, else sbx in XDG_STATE_HOME (or ~/.local/state). It must be private to its user.',
  SBX_RUNTIME:
    'The OCI runtime for the daemon to use: crun, runc or a path. The option --runtime wins over it. Another server, of --host or SBX_HOST, chooses itself.',
  SBX_HOST:
    'The server that commands are for, as with --host, which wins over it: unix:///PATH, http://HOST:PORT or https://HOST:PORT. Without one it is the daemon of this user on this machine. The commands daemon, serve, setup and doctor are always about that daemon.',
  NODE_EXTRA_CA_CERTS:
    'A file of certificates (PEM) of authorities that are trusted with https://, besides the usual ones.',
  TMPDIR: 'Where output of a command without --stream goes when it is larger than 8 MiB (default: /tmp).',
  NO_COLOR: 'When it is set and not empty, no colours are used.',
  PATH: 'Where the package manager is looked for first.',
};

export const FILES = {
  '/var/lib/sbx':
    'The state directory of root: sandboxes with their files, records of execs. SBX_STATE_DIR moves it.',
  '/var/lib/sbx/sbx.sock': 'The socket on which the daemon listens.',
  '/var/lib/sbx/daemon.json': 'What the running daemon says of itself.',
  '/var/lib/sbx/daemon.log': "The daemon's log.",
};

export const MAIN = {
  summary: 'run commands in sandboxes as if they ran here',
  description: [
    'A sandbox is an isolated place with its own files, processes and network. It sees the programs of this machine (/usr and /opt) read-only under a writable layer of its own, and none of its other files.',
    'A daemon that starts by itself at the first command, and goes when it is idle, owns sandboxes and execs. Sandboxes survive it.',
    'With --host or SBX_HOST commands are for another server, and no daemon is started; sbx rsh has SBX_HOST alone. The commands daemon, serve, setup and doctor are always about this machine. A server listens on a Unix socket; whoever has to reach it from elsewhere puts ssh -L, socat or a proxy before it. It asks nobody who they are: whoever reaches it can run commands with its rights, so the way to it has to be secured.',
    'Results go to stdout. What is meant for people goes to stderr, each line of it beginning with "sbx: ".',
  ],
  statuses:
    'sbx exec and sbx rsh have these, and sbx attach and sbx wait those of the exec. The other commands have 0 when it was done and 125 when it was not; sbx logs that was interrupted has 128+n, and sbx daemon status 1 where no daemon runs.',
  examples: [
    ['Install what is missing, and see what works here', 'sbx setup', 'sbx doctor'],
    ['Run one command in a sandbox of its own', 'sbx exec -- id'],
    [
      'Keep a sandbox for several commands',
      'sbx create box',
      'sbx exec box -- sh -c "echo hello > /workspace/note"',
      'sbx exec box -- cat /workspace/note',
      'sbx rm box',
    ],
  ],
};
