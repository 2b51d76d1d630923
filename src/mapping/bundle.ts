/** Mapped drafts as one FHIR Bundle, for `hub convert` and the preview: the same message gives the same text for ever. */
import type { AnyResource } from '../fhir/types.ts';
import { withCommand } from './commands.ts';
import type { MappedMessage } from './message/draft.ts';

export interface BundleOptions {
  /** `transaction` (default): entries that a FHIR server can execute as they stand. */
  readonly type?: 'transaction' | 'collection';
  /** Base of every fullUrl, without a slash at its end; relative references resolve against it. */
  readonly baseUrl?: string;
}

/** Matches no server: a Bundle that was only previewed has no address yet. */
const previewBase = 'https://health-record-hub.example/fhir/R4';

/** @see https://hl7.org/fhir/R4/bundle.html#references */
export function toBundle(mapped: MappedMessage, options: BundleOptions = {}): AnyResource {
  const { type = 'transaction', baseUrl = previewBase } = options;
  return {
    resourceType: 'Bundle',
    type,
    entry: mapped.drafts.map(({ resource: drafted, mode }) => {
      const resource = commanded(drafted, mapped);
      const url = `${resource.resourceType}/${resource.id}`;
      const fullUrl = `${baseUrl}/${url}`;
      if (type === 'collection') return { fullUrl, resource };
      // What is deleted has no resource in a transaction (R4 bdl-3 asks for one only with POST, PUT and PATCH).
      if (mode === 'delete') return { fullUrl, request: { method: 'DELETE', url } };
      return { fullUrl, resource, request: { method: 'PUT', url } };
    }),
  };
}

/** What the message commands of a patient, shown in the Patient, as the store will. */
function commanded(resource: AnyResource & { id: string }, { commands }: MappedMessage): AnyResource {
  if (resource.resourceType !== 'Patient' || commands.length === 0) return resource;
  let patient: AnyResource & { id: string } = resource;
  for (const command of commands) {
    if (command.kind === 'renumber') continue;
    const isNamed = command.patient === resource.id || command.other === resource.id;
    if (isNamed) patient = { ...withCommand(patient, command), id: resource.id };
  }
  return patient;
}
