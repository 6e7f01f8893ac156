/**
 * The SDK: runs commands in sandboxes through this user's daemon.
 *
 * @packageDocumentation
 */
export {
  createSandbox,
  inspectExec,
  inspectSandbox,
  killExec,
  listExecs,
  listSandboxes,
  readHealth,
  removeExec,
  removeSandbox,
  requestStop,
  signalExec,
  startDetached,
  type ListExecsOptions,
  type StopOptions,
} from './client/api.ts';
export { findDaemon, openDaemon, stopDaemon, type DaemonOptions, type Found } from './client/daemon.ts';
export type { ExecSessionOptions, OutputTarget, SessionOpening } from './client/exec-session-options.ts';
export { ExecSession } from './client/exec-session.ts';
export { createLocalTransport, createTransport } from './client/http-transport.ts';
export type { StdinSource } from './client/stdin-source.ts';
export type { Connection, Transport } from './client/transport.ts';
export type {
  AttachRequest,
  CreateSandboxRequest,
  ExecRecord,
  ExecState,
  HealthAnswer,
  Network,
  ReadFrom,
  SandboxRecord,
  SandboxStatus,
  StartExecRequest,
} from './protocol/api.ts';
export { parseDuration } from './protocol/duration.ts';
export { SbxError, type ErrorBody, type ErrorCode } from './protocol/errors.ts';
export type {
  AttachedEvent,
  ExecEvent,
  ExitEvent,
  GapEvent,
  OutputStream,
  StreamBytes,
} from './protocol/events.ts';
export { parseSize } from './protocol/size.ts';
export { toExitStatus, type Exit, type ExitReason, type ExitRecord } from './protocol/exit.ts';
