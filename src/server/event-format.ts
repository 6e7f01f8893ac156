import {
  formatEvent,
  formatOutputEvent,
  MAX_EVENT_BYTES,
  type ExecEvent,
  type OutputEvent,
} from '../protocol/events.ts';
import { formatJsonFrame, formatOutputFrame, MAX_FRAME_BYTES } from '../protocol/frames.ts';

/** How events stand on a connection. */
export interface EventFormat {
  /** The most bytes of output that one event carries. */
  readonly most: number;
  /** Text is ASCII. */
  event(event: Exclude<ExecEvent, OutputEvent>): string | Buffer;
  /** `isInOrder`: whoever has it has all before its position, and may come back there. */
  output(event: OutputEvent, isInOrder: boolean): string | Buffer;
}

export const serverSentEvents: EventFormat = {
  most: MAX_EVENT_BYTES,
  event: formatEvent,
  output: formatOutputEvent,
};

export const frames: EventFormat = {
  most: MAX_FRAME_BYTES,
  event: formatJsonFrame,
  output: formatOutputFrame,
};
