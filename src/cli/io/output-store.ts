import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ByteBlock } from '../../protocol/byte-block.ts';
import { SbxError } from '../../protocol/errors.ts';
import { OUTPUT_STREAMS, type OutputStream } from '../../protocol/events.ts';
import type { OutputWriter } from './output-writer.ts';

/** What is kept in memory over both streams; more goes to a temporary file without a name. */
const IN_MEMORY = 8 * 1024 * 1024;
const CHUNK = 64 * 1024;

/** The output of a buffered exec, of any size, until it is printed whole. */
export class OutputStore {
  readonly #blocks: Record<OutputStream, ByteBlock[]> = { stdout: [], stderr: [] };
  #files: Record<OutputStream, number> | undefined;
  #size = 0;

  /** Copies the chunk. @throws SbxError `output_failed` when the temporary file cannot take more */
  append(stream: OutputStream, chunk: Buffer): void {
    this.#size += chunk.length;
    try {
      if (this.#files === undefined && this.#size > IN_MEMORY) this.#spill();
      if (this.#files === undefined) this.#gather(stream, chunk);
      else writeAll(this.#files[stream], chunk);
    } catch (cause) {
      const why = `Cannot keep the output in ${tmpdir()}: ${(cause as Error).message}`;
      throw new SbxError('output_failed', why, {
        cause,
        hint: 'Make room there, set TMPDIR, or use --stream',
      });
    }
  }

  /** Writes one stream whole. */
  async print(stream: OutputStream, writer: OutputWriter): Promise<void> {
    for (const chunk of this.read(stream)) await writeTo(writer, chunk);
  }

  /** One stream from its beginning. A chunk is valid until the next one is asked for. */
  *read(stream: OutputStream): Generator<Buffer, void> {
    for (const block of this.#blocks[stream]) yield block.bytes;
    const file = this.#files?.[stream];
    if (file === undefined) return;
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (let position = 0; ;) {
      const length = readSync(file, buffer, 0, CHUNK, position);
      if (length === 0) return;
      yield buffer.subarray(0, length);
      position += length;
    }
  }

  close(): void {
    for (const file of Object.values(this.#files ?? {})) closeSync(file);
    this.#files = undefined;
  }

  #gather(stream: OutputStream, chunk: Buffer): void {
    const blocks = this.#blocks[stream];
    if (blocks.at(-1)?.append(chunk) !== true) blocks.push(new ByteBlock(chunk));
  }

  /** A chunk is in memory until all of them are in the files, so that none is ever in both. */
  #spill(): void {
    const fds: number[] = [];
    try {
      for (const stream of OUTPUT_STREAMS) {
        const fd = openUnnamed();
        fds.push(fd);
        for (const block of this.#blocks[stream]) writeAll(fd, block.bytes);
      }
    } catch (error) {
      for (const fd of fds) closeSync(fd);
      throw error;
    }
    const [stdout, stderr] = fds as [number, number];
    this.#files = { stdout, stderr };
    for (const stream of OUTPUT_STREAMS) this.#blocks[stream] = [];
  }
}

/** The name goes at once: nothing is left behind, however we end. */
function openUnnamed(): number {
  const directory = mkdtempSync(join(tmpdir(), 'sbx-'));
  try {
    return openSync(join(directory, 'output'), 'wx+', 0o600);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function writeAll(fd: number, chunk: Buffer): void {
  for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at);
}

function writeTo(writer: OutputWriter, chunk: Buffer): Promise<void> {
  return new Promise((resolve) => {
    writer.write(chunk, resolve);
  });
}
