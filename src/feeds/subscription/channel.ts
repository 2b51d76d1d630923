/** How a notification reaches its receiver: a connection that is open before anything is decided, and one message on it. */
import type { Claimed } from './claim.ts';

/** A connection on which one notification can be sent at once. */
export interface Line {
  /** Hands the whole message over; nothing of it is held back by the hub once `flushed` has resolved. */
  send(body: string): Sent;
  /** Ends the connection: what has not left by now never does. */
  destroy(): void;
  /** Nothing more will be sent on it. */
  release(): void;
}

export interface Sent {
  /** All bytes are with the operating system. */
  readonly flushed: Promise<void>;
  /** The receiver has taken it. @throws ChannelError */
  readonly answered: Promise<void>;
}

export interface Channel {
  /** @throws ChannelError */
  open(subscription: Claimed): Promise<Line>;
}

/** The receiver could not be reached, or did not take it. */
export class ChannelError extends Error {
  override readonly name = 'ChannelError';
  /** It does not want any more: no retry. */
  readonly isFinal: boolean;
  /** @param message for the subscriber: nothing of a patient, nothing that the receiver wrote */
  constructor(message: string, { isFinal = false, cause }: { isFinal?: boolean; cause?: unknown } = {}) {
    super(message, { cause });
    this.isFinal = isFinal;
  }
}
