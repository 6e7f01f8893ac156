import { closeSync, openSync, readSync } from 'node:fs';
import { countPendingBytes, createPipe } from '../../posix/pipes.ts';

/** The descriptors of a child that is about to start, and our ends of them. */
export interface ChildPipes {
  readonly child: readonly [stdin: number, stdout: number, stderr: number];
  /** Undefined where the child's stdin is `/dev/null`. */
  readonly stdin: number | undefined;
  readonly stdout: number;
  readonly stderr: number;
}

export function createChildPipes(stdin: 'pipe' | 'null'): ChildPipes {
  const opened: number[] = [];
  const pipe = (): { readEnd: number; writeEnd: number } => {
    const ends = createPipe();
    opened.push(ends.readEnd, ends.writeEnd);
    return ends;
  };
  try {
    const [stdout, stderr] = [pipe(), pipe()];
    const input = stdin === 'pipe' ? pipe() : { readEnd: openSync('/dev/null', 'r'), writeEnd: undefined };
    return {
      child: [input.readEnd, stdout.writeEnd, stderr.writeEnd],
      stdin: input.writeEnd,
      stdout: stdout.readEnd,
      stderr: stderr.readEnd,
    };
  } catch (error) {
    opened.forEach((fd) => closeSync(fd));
    throw error;
  }
}

/** To be called once the child has them: only then does our read end meet EOF when the child ends. */
export function closeChildEnds(pipes: ChildPipes): void {
  pipes.child.forEach((fd) => closeSync(fd));
}

export function closeOurEnds({ stdin, stdout, stderr }: ChildPipes): void {
  for (const fd of [stdin, stdout, stderr]) if (fd !== undefined) closeSync(fd);
}

/** What a child has written to its stderr so far. */
export function readWrittenErrors({ stderr }: ChildPipes): string {
  const length = countPendingBytes(stderr);
  if (length === 0) return '';
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, readSync(stderr, buffer)).toString().trim();
}
