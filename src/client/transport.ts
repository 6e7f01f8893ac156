/** What the client needs of a road to a server. A new kind of road is a new adapter of this port. */
export interface Transport {
  /** Where the server is, as it is shown to people: `unix:///path`, `http://host:port`, `https://host:port`. */
  readonly address: string;
  /**
   * A Unix socket: whatever ends it ends it for both sides at once, so that nothing is sent to keep it alive, and a
   * server waits a short while only for a client that has gone.
   */
  readonly isLocal: boolean;
  /**
   * Where the process that serves can be seen: true once it has ended, and nobody will come back there with its execs;
   * false while it lives, however long it says nothing.
   */
  isServerGone?(): boolean;
  /**
   * A connection of its own. An attempt ends by itself, or when `signal` aborts it.
   * @throws SbxError `server_unreachable`
   */
  connect(signal?: AbortSignal): Promise<Connection>;
}

export interface RequestOptions {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  /** Sent as JSON. */
  readonly json?: unknown;
  readonly accept?: string;
}

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

export interface StreamAnswer {
  readonly status: number;
  /** The header `content-type`; empty where there is none. */
  readonly contentType: string;
  /** Gives each piece of the body, valid until the call returns; those that came before are given at once. */
  read(onChunk: (chunk: Buffer) => void): Promise<void>;
  /** The whole body, instead. */
  readAll(): Promise<Buffer>;
}

export interface UpgradeOptions {
  readonly path: string;
  /** What the connection is to become. */
  readonly protocol: string;
  /** Sent behind the request without waiting for the answer. */
  readonly first: Buffer;
}

/** A connection that is another protocol's once its answer is 101; what is read is then the body of that answer. */
export interface UpgradedConnection {
  readonly answer: Promise<StreamAnswer>;
  /** Writes these as one; false where more should wait until it has `drained`. */
  write(pieces: readonly Buffer[]): boolean;
  /** Resolves when there is room again, or when the connection has gone. */
  drained(): Promise<void>;
  /** Resolves when all that was written is on its way, or when the connection has gone. */
  flushed(): Promise<void>;
}

/** A body that is sent piece by piece. */
export interface Upload {
  /** Resolves when more may be written; false when the server has answered already and reads no more. */
  write(chunk: Buffer): Promise<boolean>;
  /** Completes the body. */
  end(): void;
  /** What the server answers, which may be before the end. Rejects where the connection breaks, at once. */
  readonly answer: Promise<Answer>;
}

/**
 * One connection. A request may be sent while others wait for their answers, which come in the same order; an upload
 * has to be complete before the next request.
 * A connection that breaks rejects what is under way with `SbxError` `server_unreachable`.
 */
export interface Connection {
  /**
   * False once the peer has closed it, or is to close it behind its last answer, and once it has failed or was closed
   * here. A proxy closes connections that are idle: ask this before one is used again.
   */
  readonly isOpen: boolean;
  request(options: RequestOptions): Promise<Answer>;
  /** For an answer without a known end, such as an event stream. */
  stream(options: RequestOptions): Promise<StreamAnswer>;
  upload(path: string): Upload;
  /** Nothing else may be asked on this connection. */
  upgrade(options: UpgradeOptions): UpgradedConnection;
  close(): void;
}
