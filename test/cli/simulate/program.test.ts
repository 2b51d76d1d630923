import assert from 'node:assert/strict';
import { Command } from 'commander';
import { addSimulateCommands } from '../../../src/cli/simulate/program.ts';

describe('hub simulate and its parts', () => {
  function parsed(part: string, ...args: string[]): Record<string, unknown> {
    let options: Record<string, unknown> = {};
    // As in src/cli.ts.
    const program = new Command('hub').enablePositionalOptions();
    const simulate = program.command('simulate');
    addSimulateCommands(simulate, {});
    const found = simulate.commands.find((one) => one.name() === part) ?? assert.fail(`no ${part}`);
    found.action((_: unknown, given: Command) => {
      options = given.opts();
    });
    program.parse(['simulate', part, ...args], { from: 'user' });
    return options;
  }

  it('what stands behind a part is the part’s, though simulate has options of the same names', () => {
    assert.equal(parsed('check', '--ledger', 'day.ndjson')['ledger'], 'day.ndjson');
    const { ledger, seed, clocksOff } = parsed('sources', '--ledger', 'x', '--seed', '7');
    assert.deepEqual([ledger, seed, clocksOff], ['x', '7', '10']);
  });
});
