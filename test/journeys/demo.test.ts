/** The main job as `npm run demo -- --exit` tells it: the story checks each of its steps itself and ends with 1 when one fails. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { runHub } from '../hub-process.ts';

/** The story alone takes seconds; a machine that runs other tests beside it is slow. */
const storyMsMax = 290_000;

describe('journey: the demo', function () {
  this.timeout(storyMsMax + 5_000);

  it('tells the whole story, every step of it true, and ends with 0', async () => {
    const { code, stdout, stderr } = await runHub(['demo', '--exit'], { env: { HUB_PORT: '0', HUB_MLLP_PORT: '0' } });
    assert.equal(code, 0, stdout + stderr);
    for (const line of [
      /GB18030/,
      /All 74 became FHIR resources/,
      /Two hospitals know 顾昞珅/,
      /15 laboratory values from both/,
      /asks for the history and gets nothing: total 0, and 404/,
      /about 顾昞珅: 15 values from two hospitals, HbA1c 7.4 % \(corrected from 7.9\)/,
      /insurance 0, allergies 0/,
      /coverage only: 2 insurance records, 0 results/,
      /revokes; the very next request of the AI gets nothing again/,
      /was shown something 3 times/,
    ]) {
      assert.match(stdout, line);
    }
  });

  it('given a port that was set and is taken, then it says so and ends with 1', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => holder.once('listening', resolve));
    const { port } = holder.address() as { port: number };
    const { code, stderr } = await runHub(['demo', '--exit'], { env: { HUB_PORT: String(port), HUB_MLLP_PORT: '0' } });
    holder.close();
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`port ${port} is taken`));
  });
});
