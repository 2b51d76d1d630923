/**
 * Loaded before a hub (`--import`): its clock jumps by CLOCK_JUMP_MS when CLOCK_JUMP_AFTER_MS have passed, and back after as long again,
 * as when somebody sets the time of its machine. PostgreSQL, other hubs and hospitals keep the right time.
 */
export const RightDate = Date;
const jumpMs = Number(process.env['CLOCK_JUMP_MS']);
const afterMs = Number(process.env['CLOCK_JUMP_AFTER_MS']);
const startedAt = RightDate.now();

function shown(): number {
  const right = RightDate.now();
  const passed = right - startedAt;
  return passed >= afterMs && passed < 2 * afterMs ? right + jumpMs : right;
}

class MovedDate extends RightDate {
  constructor(...given: []) {
    // Only the present is wrong: what is given is taken as it is.
    if (given.length === 0) super(shown());
    else super(...given);
  }

  static override now(): number {
    return shown();
  }
}

globalThis.Date = MovedDate as DateConstructor;
