import { closeSync, openSync, readSync } from 'node:fs';

const PT_INTERP = 3;

/** True for an ELF program of this machine's word size that needs no loader, so that it runs in any root. */
export function isStaticBinary(path: string): boolean {
  const header = readStart(path, 4096);
  if (
    header === undefined ||
    header.length < 64 ||
    header.readUInt32BE(0) !== 0x7f454c46 ||
    header[4] !== 2
  ) {
    return false;
  }
  // Elf64_Ehdr: e_phoff, e_phentsize, e_phnum. Its program headers follow at once in every linker's output.
  const [offset, size, count] = [
    Number(header.readBigUInt64LE(32)),
    header.readUInt16LE(54),
    header.readUInt16LE(56),
  ];
  if (offset + size * count > header.length) return false;
  return Array.from({ length: count }, (_, index) => offset + index * size).every(
    (at) => header.readUInt32LE(at) !== PT_INTERP,
  );
}

function readStart(path: string, length: number): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const buffer = Buffer.alloc(length);
    return buffer.subarray(0, readSync(fd, buffer, 0, length, 0));
  } finally {
    closeSync(fd);
  }
}
