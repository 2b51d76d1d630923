/**
 * How old a child is counts twice. From one age on they decide about their data themselves, and what is private is no longer
 * their parents' to read; from another they are of age, and parents and guardians of a child have no rights any more.
 *
 * Defaults: 14 is where PIPL (Article 31) ends the consent of parents, and 18 is full age (Civil Code of the PRC, Article 17; the
 * same in most of Europe). GDPR Article 8 lets a state choose 13 to 16: HUB_MINOR_PRIVATE_AGE.
 */
import { actCodeSystem, labelBit } from '../../fhir/labels.ts';

export interface MinorAges {
  /** Years. From this birthday on what is private is hidden from parents and guardians, and only the minor writes Consents. */
  readonly private: number;
  /** Years. From this birthday on parents, and guardians of the child, have no rights. */
  readonly full: number;
}

export const minorAges: MinorAges = { private: 14, full: 18 };

/** What parents go on to care for: sickle cell and other genetic diseases, cognition, development. */
const shared = ['GDIS', 'SCA', 'COGN', 'DVD'];

/**
 * Private is every other label, one the hub has no bit for included: sexual and reproductive health, violence, psychiatry,
 * addiction, HIV, and what a hospital marked as restricted.
 */
export const privateLabels = shared.reduce(
  (bits, code) => bits & ~labelBit({ system: actCodeSystem, code }),
  2 ** 31 - 1,
);
