import { createInterface } from 'node:readline/promises';
import { ReadStream } from 'node:tty';
import type { Context } from '../context.ts';
import { findDescriptorKind } from '../io/descriptor-kind.ts';

/** True where somebody sees a question and can answer it. */
export function canAsk({ closedDescriptors }: Context): boolean {
  return ([0, 2] as const).every((fd) => !closedDescriptors.has(fd) && findDescriptorKind(fd) === 'terminal');
}

/** Asks on the terminal; an empty answer is a yes, the end of input is not. */
export async function confirm(question: string, context: Context): Promise<boolean> {
  context.say(`${question} [Y/n]`);
  const input = new ReadStream(0);
  const lines = createInterface({ input, terminal: false });
  try {
    for await (const line of lines) return /^\s*(y|yes)?\s*$/i.test(line);
    return false;
  } finally {
    lines.close();
    input.destroy();
  }
}
