/** Mapped drafts as one FHIR Bundle, for `hub convert` and the preview: the same message gives the same text for ever. */
import type { AnyResource } from '../fhir/types.ts';
import type { MappedMessage } from './draft.ts';

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
    entry: mapped.drafts.map(({ resource }) => {
      const url = `${resource.resourceType}/${resource.id}`;
      const fullUrl = `${baseUrl}/${url}`;
      return type === 'transaction' ? { fullUrl, resource, request: { method: 'PUT', url } } : { fullUrl, resource };
    }),
  };
}
