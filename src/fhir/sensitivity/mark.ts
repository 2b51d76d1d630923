/**
 * How the labelling service shows its labels: codings of `meta.security`, told from the sender's own by who classified them
 * (DS4P, ExtensionSecLabelClassifier), so that who gets the resource can honour them and the service can take back its own
 * when a value set changes, and nothing that anybody else said.
 *
 * @see https://hl7.org/fhir/R4/resource-definitions.html#Meta.security
 * @see https://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition-extension-sec-label-classifier.html
 */
import { labelBit, labelCodings } from '../labels.ts';
import type { AnyResource } from '../types.ts';

const classifier = 'http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-sec-label-classifier';
/** As it stands in rows: never changed. */
const service = 'Labelling service of the health record hub';
const mark = { url: classifier, valueReference: { display: service } };

/** As v3-ActCode of R4 prints them. */
const displays: Readonly<Record<string, string>> = {
  ETH: 'substance abuse information sensitivity',
  GDIS: 'genetic disease information sensitivity',
  HIV: 'HIV/AIDS information sensitivity',
  PSY: 'psychiatry disorder information sensitivity',
  SDV: 'sexual assault, abuse, or domestic violence information sensitivity',
  SEX: 'sexuality and reproductive health information sensitivity',
  STD: 'sexually transmitted disease information sensitivity',
  SUD: 'substance use disorder information sensitivity',
};

/** The labels that the service gave the resource. */
export function markedLabels(resource: AnyResource): number {
  return securityOf(resource).reduce((bits: number, coding) => (isMarked(coding) ? bits | labelBit(coding) : bits), 0);
}

/**
 * The resource with these labels of the service, after what others said and in one order: equal content stays equal text. A
 * label that somebody else states is not said twice; a mark that is not the service's is theirs and loses it.
 * @param bits all that the service says
 */
export function withLabels(resource: AnyResource, bits: number): AnyResource {
  const security = securityOf(resource);
  if (bits === 0 && !security.some(isMarked)) return resource;
  const others = security.filter((coding) => !isMarked(coding) || (labelBit(coding) & bits) === 0).map(unmarked);
  const stated = others.reduce((all: number, coding) => all | labelBit(coding), 0);
  const added = labelCodings(bits & ~stated).map(marked);
  if (others.length + added.length === 0) return resource;
  return { ...resource, meta: { ...resource.meta, security: [...others, ...added] } };
}

/** The resource without any label of the service. */
export function withoutLabels(resource: AnyResource): AnyResource {
  const security = securityOf(resource);
  if (!security.some(isMarked)) return resource;
  const others = security.filter((coding) => !isMarked(coding));
  const { security: _security, ...meta } = resource.meta as { security?: unknown };
  return { ...resource, meta: others.length === 0 ? meta : { ...meta, security: others } };
}

interface Label {
  readonly system?: unknown;
  readonly code?: unknown;
  readonly extension?: unknown;
}

function securityOf(resource: AnyResource): readonly Label[] {
  const security: unknown = resource.meta?.security;
  return Array.isArray(security) ? (security as Label[]) : [];
}

function marked(coding: { readonly system: string; readonly code: string }): Label {
  const display = displays[coding.code];
  return { extension: [mark], ...coding, ...(display === undefined ? {} : { display }) };
}

function isMarked({ extension }: Label): boolean {
  return Array.isArray(extension) && (extension as unknown[]).some(isMark);
}

function isMark(extension: unknown): boolean {
  const { url, valueReference } = extension as { url?: unknown; valueReference?: { display?: unknown } };
  return url === classifier && valueReference?.display === service;
}

function unmarked(coding: Label): Label {
  if (!isMarked(coding)) return coding;
  const { extension, ...said } = coding;
  const others = (extension as unknown[]).filter((one) => !isMark(one));
  return others.length === 0 ? said : { extension: others, ...said };
}
