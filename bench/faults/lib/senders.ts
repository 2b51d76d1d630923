/** Hospitals that go on sending whatever happens: to the other hub when one does not answer, again when the answer says so. */
import { setTimeout as sleep } from 'node:timers/promises';
import { connectMllp } from '../../../adapters/hl7v2/client.ts';
import { openLedger } from '../../../src/cli/simulate/ledger.ts';
import { mishapsOf } from '../../../src/cli/simulate/mishaps.ts';
import { sendSimulation, type Line } from '../../../src/cli/simulate/send.ts';
import { simulate, simulatedHospitals } from '../../../src/cli/simulate/stream.ts';
import type { World } from './world.ts';

export interface SendOptions {
  readonly seconds: number;
  /** Messages a second. */
  readonly rate: number;
  readonly seed: number;
  readonly hospitals?: number;
  /** Where they send, instead of the hubs themselves. */
  readonly ports?: readonly number[];
}

export interface Sent {
  readonly sent: number;
  /** The longest time in which no message of anybody was accepted. */
  readonly silenceMs: number;
}

/** Longer than any fault here: whoever gives up before it is over would have lost the message. */
const patienceMs = 180_000;
const pauseMs = 100;
/** An unanswered message goes to the other hub after this. */
const ackTimeoutMs = 3_000;
/** What a hospital's mishaps do besides the fault. */
const mishapPercent = 2;
/** ERR-3 of an answer that asks for the message again (HL70357). */
const sendAgain = /\|207(\^|\|)/;

export async function sendThrough(world: World, options: SendOptions): Promise<Sent> {
  const { seed, rate, seconds, hospitals = 12 } = options;
  const ports = options.ports ?? world.hubs.map(({ mllpPort }) => mllpPort);
  const ledger = openLedger(world.ledger);
  let [last, silenceMs, next] = [performance.now(), 0, 0];
  const onAccepted = (): void => {
    const now = performance.now();
    silenceMs = Math.max(silenceMs, now - last);
    last = now;
  };
  const { sent } = await sendSimulation({
    simulation: simulate({ seed, hospitals: simulatedHospitals(hospitals) }),
    seed,
    count: rate * seconds,
    rate,
    mishaps: mishapsOf(mishapPercent),
    connect: () => persistentLine(ports, next++, onAccepted),
    ledger,
  });
  await ledger.close();
  return { sent, silenceMs };
}

function persistentLine(ports: readonly number[], first: number, onAccepted: () => void): Line {
  let turn = first;
  let isDestroyed = false;
  const connect = (): Line => {
    const port = ports[turn % ports.length] as number;
    return connectMllp({ host: '127.0.0.1', port, attemptsMax: 1, ackTimeoutMs });
  };
  let line = connect();
  return {
    send: async (message) => {
      const until = performance.now() + patienceMs;
      for (;;) {
        try {
          const answer = await line.send(message);
          if (!sendAgain.test(answer.bytes.toString('latin1'))) {
            onAccepted();
            return answer;
          }
        } catch (error) {
          if (isDestroyed || performance.now() > until) throw error;
        }
        await sleep(pauseMs);
        line.destroy();
        turn++;
        line = connect();
      }
    },
    close: () => line.close(),
    destroy: () => {
      isDestroyed = true;
      line.destroy();
    },
  };
}
