import { closeSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { OUTPUT_HEAD_BYTES, parseOutputHead, type OutputHead } from '../../protocol/frames.ts';
import type { Segment } from './stored-segment.ts';

/** Read at once: many small frames, or little of a large one, of which only the head matters. */
const WINDOW = 16 * 1024;

/** Goes from head to head through a file of frames, and stops at its end or at what is no whole frame. */
class HeadScan {
  readonly #size: number;
  /** Where in the file the next frame begins. */
  at = 0;
  #isDone = false;

  constructor(size: number) {
    this.#size = size;
  }

  get isDone(): boolean {
    return this.#isDone || this.at >= this.#size;
  }

  /** Takes what the file has from `at` on; gives the heads that are whole in it. */
  *take(window: Buffer): Generator<OutputHead> {
    const base = this.at;
    while (this.at - base < window.length) {
      const head = parseOutputHead(window, this.at - base, window.length);
      const next = this.at + OUTPUT_HEAD_BYTES + (head?.length ?? 0);
      if (head === undefined || next > this.#size) {
        // What was not whole at the beginning of a window will not be so in another one.
        this.#isDone = this.at === base || head !== undefined;
        return;
      }
      this.at = next;
      yield head;
    }
  }
}

/** The last whole frame of a file of `size` bytes, and how many of them are whole frames. */
export function findLastHead(path: string, size: number): { last: OutputHead | undefined; whole: number } {
  const scan = new HeadScan(size);
  const window = Buffer.allocUnsafe(WINDOW);
  let last: OutputHead | undefined;
  const descriptor = openSync(path, 'r');
  try {
    while (!scan.isDone) {
      const length = readSync(descriptor, window, 0, WINDOW, scan.at);
      if (length === 0) break;
      for (const head of scan.take(window.subarray(0, length))) last = head;
    }
  } finally {
    closeSync(descriptor);
  }
  return { last, whole: scan.at };
}

/** The first frame of a segment that ends behind `position`. @throws what open(2) and read(2) have to say */
export async function findHeadBehind(
  { path, size }: Segment,
  position: number,
): Promise<OutputHead | undefined> {
  const scan = new HeadScan(size);
  const window = Buffer.allocUnsafe(WINDOW);
  const file = await open(path, 'r');
  try {
    while (!scan.isDone) {
      const { bytesRead } = await file.read(window, 0, WINDOW, scan.at);
      if (bytesRead === 0) break;
      for (const head of scan.take(window.subarray(0, bytesRead))) if (head.position > position) return head;
    }
  } finally {
    await file.close();
  }
  return undefined;
}
