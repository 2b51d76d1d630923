/** PID and PV1: the patient a message is about, and the visit. The reverse of PID[Patient] and PV1[Encounter]. */
import type { Encounter, Identifier, Patient } from '@medplum/fhirtypes';
import { cwe, cx, dtm, xad, xcn, xpn, xtn, type Person } from './datatypes.ts';
import { one, segment, type Segment } from './segment.ts';
import { locationsOf, type Source } from './source.ts';
import { pl } from './place.ts';

/** HL70001. */
const sexes: Readonly<Record<string, string>> = { male: 'M', female: 'F', other: 'O', unknown: 'U' };

export function pid(patient: Patient): Segment {
  const telecom = patient.telecom ?? [];
  const [language] = patient.communication ?? [];
  return segment('PID', {
    1: '1',
    3: identifiersOf(patient).map(cx),
    5: patient.name?.map(xpn),
    7: birthTime(patient),
    8: sexes[patient.gender ?? ''],
    11: patient.address?.map(xad),
    13: telecom.filter(({ use }) => use !== 'work').map(xtn),
    14: telecom.filter(({ use }) => use === 'work').map(xtn),
    15: one(cwe(language?.language)),
    16: one(cwe(patient.maritalStatus)),
    24: yesNo(patient.multipleBirthBoolean),
    25: patient.multipleBirthInteger === undefined ? undefined : String(patient.multipleBirthInteger),
    29: dtm(patient.deceasedDateTime),
    30: patient.deceasedDateTime === undefined ? yesNo(patient.deceasedBoolean) : 'Y',
  });
}

/** PID-3 is required: a patient without a number of their own goes by the hub's. */
function identifiersOf({ identifier = [], id }: Patient): readonly Identifier[] {
  if (identifier.length > 0 || id === undefined) return identifier;
  return [{ value: id, type: { coding: [{ code: 'PI' }] } }];
}

/** The time of birth where it is known. @see https://hl7.org/fhir/R4/extension-patient-birthtime.html */
function birthTime(patient: Patient): string {
  const { _birthDate } = patient as { _birthDate?: { extension?: { url: string; valueDateTime?: string }[] } };
  const url = 'http://hl7.org/fhir/StructureDefinition/patient-birthTime';
  return dtm(_birthDate?.extension?.find((extension) => extension.url === url)?.valueDateTime ?? patient.birthDate);
}

/** HL70136. */
export function yesNo(value: boolean | undefined): string | undefined {
  return value === undefined ? undefined : value ? 'Y' : 'N';
}

/** HL70004, from v3-ActCode. */
const classes: Readonly<Record<string, string>> = { EMER: 'E', IMP: 'I', AMB: 'O', PRENC: 'P' };

export function pv1(encounter: Encounter, source: Source): Segment {
  const doctors = (code: string): Person[] =>
    (encounter.participant ?? []).flatMap(({ type, individual }) => {
      const isRole = type?.some(({ coding }) => coding?.some((one) => one.code === code));
      const person = isRole ? source.find(individual, 'Practitioner', encounter) : undefined;
      return person === undefined ? [] : [person];
    });
  const place = source.find(encounter.location?.[0]?.location, 'Location', encounter);
  const [number] = encounter.identifier ?? [];
  return segment('PV1', {
    1: '1',
    // PV1-2 is required by every version; U is unknown (HL70004).
    2: classes[encounter.class?.code ?? ''] ?? encounter.class?.code ?? 'U',
    3: place && one(pl(locationsOf(source, place))),
    7: doctors('ATND').map(xcn),
    8: doctors('REF').map(xcn),
    9: doctors('CON').map(xcn),
    17: doctors('ADM').map(xcn),
    19: number && one(cx(number)),
    44: dtm(encounter.period?.start),
    45: dtm(encounter.period?.end),
  });
}
