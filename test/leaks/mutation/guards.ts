/**
 * Every guard of docs/leaks.md as an edit that removes it, and the tests that notice. A guard is removed as somebody might do it
 * by mistake: a condition that is forgotten, an option that is left out.
 */
import type { Guard } from './guard.ts';
import { answers } from './guards/answers.ts';
import { decisions } from './guards/decisions.ts';
import { records } from './guards/records.ts';
import { requests } from './guards/requests.ts';
import { tokens } from './guards/tokens.ts';

export type { Guard };

export const guards: readonly Guard[] = [...answers, ...requests, ...records, ...decisions, ...tokens].toSorted(
  (one, other) => one.leak - other.leak,
);
