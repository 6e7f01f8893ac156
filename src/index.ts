export { SbxError } from './protocol/errors.ts';
