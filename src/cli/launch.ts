import { toSignalName } from '../protocol/exit.ts';
import type { Descriptor } from './context.ts';

export interface Launch {
  readonly ignored: ReadonlySet<string>;
  readonly closed: ReadonlySet<Descriptor>;
}

/** Reads what `bin/sbx` noted: the mask of ignored signals (SigIgn of proc(5), in hex) and the closed descriptors. */
export function parseLaunch(text: string): Launch {
  const mask = BigInt(`0x${/ignored=([0-9a-f]+)/.exec(text)?.[1] ?? '0'}`);
  const ignored = new Set<string>();
  for (let number = 1; number < 32; number += 1) {
    if ((mask >> BigInt(number - 1)) & 1n) ignored.add(toSignalName(number));
  }
  const closed = /closed=([012]+)/.exec(text)?.[1] ?? '';
  return { ignored, closed: new Set(Array.from(closed, (fd) => Number(fd) as Descriptor)) };
}
