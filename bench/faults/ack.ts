/** The network breaks off in the middle of acknowledgments: the sender does not know, and sends again. */
import type { Result } from '../lib/result.ts';
import type { FaultOptions } from './run.ts';
import { breakingNetwork } from './lib/network.ts';
import { toResult, underLoad } from './lib/watch.ts';
import { addHospitals, openWorld } from './lib/world.ts';

const every = 20;

export async function measure({ seconds, rate }: FaultOptions): Promise<Result[]> {
  const world = await openWorld({ hubs: 1 });
  const network = await breakingNetwork(world.hubs[0]?.mllpPort ?? 0, every);
  try {
    await addHospitals(world);
    const options = { seconds, rate, seed: 63, ports: [network.port] };
    const outcome = await underLoad(world, options, async () => 'one of 20 answers cut in its middle');
    const work = `network cut within an ACK, ${seconds} s at ${rate} messages/s`;
    return [toResult({ work, ...outcome, note: `${network.cuts} cuts; ${outcome.note}` })];
  } finally {
    network.close();
    await world.close();
  }
}
