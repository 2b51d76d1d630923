/** The MLLP client for commands: the hub is the only room that names adapters. */
export { connectMllp, type Ack, type MllpClient } from '../../adapters/hl7v2/client.ts';
