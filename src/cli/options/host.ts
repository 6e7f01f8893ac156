import type { Command } from 'commander';
import { parseServerAddress, type ServerAddress } from '../../client/server-address.ts';

export interface HostFlag {
  readonly host?: ServerAddress;
}

/** The choice alone, out of all flags. */
export function toHost({ host }: HostFlag): HostFlag {
  return host === undefined ? {} : { host };
}

/** Declares `--host`, for every command that talks to a server. */
export function addHostOption(command: Command): Command {
  return command.option(
    '--host <address>',
    'the server: unix:///PATH, http://HOST:PORT or https://HOST:PORT (default: your own daemon)',
    (text) => parseServerAddress(text, '--host'),
  );
}
