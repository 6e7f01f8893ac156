import { CUT_MS, HEARTBEAT_MS, type StartExecRequest } from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import type { ExecEvent, StreamBytes } from '../protocol/events.ts';
import type { OpeningRequest } from '../protocol/frames.ts';
import { SilenceWatch } from '../protocol/silence-watch.ts';
import { ForeignAnswer } from './answers.ts';
import { ChannelRoad } from './channel-road.ts';
import type { ExecRoad } from './exec-road.ts';
import { HttpRoad } from './http-road.ts';
import { toLost } from './lost.ts';
import type { PathTraits } from './path-traits.ts';
import { RoadChoice } from './road-choice.ts';
import { ResumePolicy, toDefaultGrace } from './resume-policy.ts';
import type { Transport } from './transport.ts';

export interface LastingRoadOptions {
  readonly transport: Transport;
  readonly id: string;
  readonly client: string;
  /** Undefined: what the transport's kind has. */
  readonly graceMs: number | undefined;
}

/** What a road needs of its session. */
export interface RoadUser {
  /** What opens the next connection. */
  toOpening(): OpeningRequest;
  take(event: ExecEvent): void;
  /** Nothing more is wanted. */
  isOver(): boolean;
  /** What is written so far, for the heartbeat. */
  readonly written: StreamBytes;
}

/** Follows an exec over one road after another: one that is cut is followed by the next, as long as there is hope. */
export class LastingRoad {
  readonly graceMs: number;
  readonly #options: LastingRoadOptions;
  readonly #resume: ResumePolicy;
  readonly #choice = new RoadChoice();
  readonly #traits: PathTraits = { collectsBodies: undefined, refusedBodies: 0, refusedRequests: 0 };
  readonly #closing = new AbortController();
  #current: ExecRoad | undefined;
  #hasConnected = false;
  /** The opening was sent at least once. */
  #hasAsked = false;
  /** The opening was sent on the road that is used now. */
  #isOpened = false;
  #isConnected = false;
  /** On the road that is used now nothing has been heard for so long that over a network it would be cut. */
  #isSilent = false;
  /** An event was heard, on whatever road: there is such a server. */
  #hasHeard = false;
  #leaving: Promise<void> | undefined;

  constructor(options: LastingRoadOptions) {
    const { transport, graceMs } = options;
    this.#options = options;
    this.graceMs = graceMs ?? toDefaultGrace(transport);
    this.#resume = new ResumePolicy({ graceMs: this.graceMs, random: Math.random });
  }

  /** The road that is used now, or was until it was cut. */
  get current(): ExecRoad | undefined {
    return this.#current;
  }

  /** The server answers there, as far as can be known. */
  get isConnected(): boolean {
    return this.#isConnected && !this.#isSilent;
  }

  /** What the server is promised in each opening. On a Unix socket the kernel tells when a client has gone. */
  get promises(): Pick<StartExecRequest, 'reconnect_grace_ms' | 'heartbeat_ms'> {
    const { isLocal } = this.#options.transport;
    return { reconnect_grace_ms: this.graceMs, ...(!isLocal && { heartbeat_ms: HEARTBEAT_MS }) };
  }

  /**
   * Resolves when the user needs no more, or after `close`.
   * @throws SbxError what the server refuses; `server_unreachable` where it cannot be reached again in time
   */
  async follow(user: RoadUser): Promise<void> {
    for (;;) {
      const failure = await this.#followOnce(user);
      this.#isOpened = false;
      this.#isConnected = false;
      if (user.isOver()) return;
      if (isOfUpgrade(failure) && this.#choice.refuseUpgrades()) continue;
      if (this.#hasAsked && isOfStart(failure))
        throw toLost('it ended while its start was not answered', failure);
      if (!this.#hasConnected || !this.#isCut(failure) || this.#isServerGone() === true) throw failure;
      this.#hasAsked = true;
      if (await this.#resume.pause(this.#closing.signal)) continue;
      if (user.isOver()) return;
      throw failure;
    }
  }

  /**
   * We will not come back. Resolves when that is on its way, or after a moment. It is said as soon as the server may have
   * read the opening: what it starts then would wait for us.
   */
  leave(): Promise<void> {
    if (this.#isOpened) this.#leaving ??= this.#current?.leave();
    return this.#leaving ?? Promise.resolve();
  }

  /** The road stays open until what was said of leaving is on its way. */
  close(): void {
    this.#closing.abort();
    const road = this.#current;
    if (this.#leaving === undefined) road?.close();
    else void this.#leaving.then(() => road?.close());
  }

  /** One road from its beginning to its end; gives what ended it. */
  async #followOnce(user: RoadUser): Promise<Error> {
    const road = this.#open();
    this.#current = road;
    const silence = new SilenceWatch(CUT_MS, () => {
      this.#isSilent = true;
      // A server that is known to live is slow, and would be no faster on another connection.
      if (this.#isServerGone() !== false) road.close();
    });
    const heartbeat = this.#beginHeartbeat(road, user);
    try {
      await road.connect();
      this.#hasConnected = true;
      this.#isOpened = true;
      await road.follow(user.toOpening(), {
        hear: () => {
          silence.hear();
          this.#isSilent = false;
        },
        take: (event) => {
          this.#connect();
          user.take(event);
        },
      });
      return new SbxError('server_unreachable', 'the stream ended');
    } catch (error) {
      return this.#isSilent && !user.isOver() ? toSilent(error) : (error as Error);
    } finally {
      silence.stop();
      clearInterval(heartbeat);
      // The last one is left open for our leaving.
      if (!user.isOver()) road.close();
    }
  }

  #open(): ExecRoad {
    const { transport, id, client } = this.#options;
    this.#isSilent = false;
    if (this.#choice.next() === 'channel') return new ChannelRoad(transport);
    // It may be another way than before.
    if (this.#traits.collectsBodies === false) this.#traits.collectsBodies = undefined;
    return new HttpRoad({ transport, id, client, traits: this.#traits });
  }

  /** Only an event shows that it is our server, and that it has the exec. */
  #connect(): void {
    if (this.#isConnected) return;
    this.#isConnected = true;
    this.#hasHeard = true;
    this.#choice.confirm();
    // Where nothing but the stream passes, coming back is no progress.
    if (this.#traits.refusedRequests === 0) this.#resume.reset();
  }

  #beginHeartbeat(road: ExecRoad, { written }: RoadUser): NodeJS.Timeout | undefined {
    if (this.#options.transport.isLocal) return undefined;
    return setInterval(() => {
      if (this.#isConnected) road.acknowledge({ ...written });
    }, HEARTBEAT_MS);
  }

  /**
   * The way was cut, or nobody was at its end; everything else is the server's word. Where that had been heard before,
   * what is said in its place is said while it is away.
   */
  #isCut(failure: Error): boolean {
    if (this.#hasHeard && (failure instanceof ForeignAnswer || isOfUpgrade(failure))) return true;
    return failure instanceof SbxError && failure.code === 'server_unreachable';
  }

  /** A daemon of this machine that has ended will not be back with this exec. Undefined: nobody here knows. */
  #isServerGone(): boolean | undefined {
    return this.#options.transport.isServerGone?.();
  }
}

function isOfUpgrade(failure: Error): boolean {
  return failure instanceof SbxError && failure.code === 'upgrade_required';
}

/** Of a start that is sent again it says that the first one arrived, and that its exec is over. */
function isOfStart(failure: Error): boolean {
  return failure instanceof SbxError && failure.code === 'exec_exists';
}

function toSilent(cause: unknown): SbxError {
  const why = `Nothing was heard of the server for ${CUT_MS / 1000} s`;
  return new SbxError('server_unreachable', why, { cause });
}
