const [high, middle, low] = [process.pid >> 16, process.pid >> 8, process.pid].map((part) => part & 0xff);

/**
 * An address of this machine that is this process's own. No other process gets a port of it, neither between the moment
 * at which it is given back and the one at which it is used again nor by chance for an outgoing connection.
 */
export const OWN_ADDRESS = `127.${high! + 1}.${middle}.${low}`;
