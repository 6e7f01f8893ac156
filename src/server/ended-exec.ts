import type { AttachRequest, ExecRecord } from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import type { StreamBytes, TerminalEvent } from '../protocol/events.ts';
import type { OpenStream } from './event-stream.ts';
import { ExecReader } from './exec-reader.ts';
import { resolveFrom } from './log/read-from.ts';
import type { StoredOutput } from './log/stored-output.ts';

/** An exec of which only the record is left, and its log on disk where it has one. */
export interface EndedExec {
  readonly record: ExecRecord;
  readonly store: StoredOutput | undefined;
}

/** Who reads execs that have ended, and of which only records are left. */
export class EndedReaders {
  readonly #readers = new Map<ExecReader, string>();

  /** @throws SbxError `exec_ended`, `output_not_kept`, `position_expired`, `position_beyond_end` */
  async attach(ended: EndedExec, request: AttachRequest, open: OpenStream): Promise<ExecReader> {
    const reader = await showEnded(ended, request, {
      open,
      onGone: (gone) => {
        this.#readers.delete(gone);
      },
    });
    this.#readers.set(reader, request.id);
    return reader;
  }

  /** The newest reader of a client. */
  find(id: string, client: string | undefined): ExecReader | undefined {
    const found = [...this.#readers].findLast(([reader, exec]) => exec === id && reader.client === client);
    return found?.[0];
  }
}

async function showEnded(
  { record, store }: EndedExec,
  request: AttachRequest,
  { open, onGone }: { open: OpenStream; onGone: (reader: ExecReader) => void },
): Promise<ExecReader> {
  const { client, window, output = true, heartbeat_ms: heartbeatMs } = request;
  const hasOutput = output && store !== undefined;
  if (output && store === undefined) requireNothingLeft(record, request);
  const visible = toEnd(record, store);
  const offsetsAt = async (position: number): Promise<StreamBytes | undefined> => store?.offsetsAt(position);
  const from = await resolveFrom({ end: visible, offsetsAt }, request.from ?? 'now');
  const reader = new ExecReader(
    { client, window, from, hasOutput, heartbeatMs, isOwner: false },
    {
      view: { memory: undefined, store, visible },
      end: () => visible,
      terminal: () => toTerminal(record),
      onSent: () => undefined,
      onCompleted: () => undefined,
      onGone,
    },
    open,
  );
  const { id, sandbox } = record;
  reader.send({
    type: 'attached',
    exec: id,
    sandbox: sandbox.name,
    owner: false,
    from,
    written: visible,
    signals: 0,
  });
  reader.wake();
  return reader;
}

/** What the command wrote, also where not all of it could be stored: the difference is a gap. */
function toEnd({ bytes }: ExecRecord, store: StoredOutput | undefined): StreamBytes {
  const stored = store?.stored ?? bytes;
  return { stdout: Math.max(stored.stdout, bytes.stdout), stderr: Math.max(stored.stderr, bytes.stderr) };
}

/** A client that was cut off between the last byte and the end needs nothing but the end. */
function requireNothingLeft({ id, ended, bytes }: ExecRecord, { from = 'now' }: AttachRequest): void {
  const when = `exec ${id} ended at ${ended ?? 'an unknown time'}`;
  if (from === 'now') throw new SbxError('exec_ended', `Cannot attach: ${when}`);
  const hasAll = typeof from === 'object' && from.stdout === bytes.stdout && from.stderr === bytes.stderr;
  if (hasAll) return;
  throw new SbxError('output_not_kept', `Cannot read the output: ${when}, and its output was not kept`);
}

/** The event that ended the exec, as its record has it. */
function toTerminal(record: ExecRecord): TerminalEvent {
  const { exit, reason, error, bytes, closed, drain_truncated, duration_ms } = record;
  if (error !== null) return { type: 'error', error };
  if (exit === null || reason === null) {
    const why = `Exec ${record.id} is lost: its server ended while it ran`;
    return { type: 'error', error: new SbxError('session_lost', why).toBody() };
  }
  return { type: 'exit', exit, reason, bytes, closed, drain_truncated, duration_ms: duration_ms ?? 0 };
}
