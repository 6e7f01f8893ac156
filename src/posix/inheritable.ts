import { fcntl } from './libc.ts';

const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** Whether a descriptor stays open in the programs that this process becomes or starts; nothing for a closed one. */
export function setInheritable(fd: number, isInheritable: boolean): void {
  fcntl(fd, F_SETFD, 'int', isInheritable ? 0 : FD_CLOEXEC);
}
