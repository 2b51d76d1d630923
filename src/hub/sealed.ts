/** All that is sealed at rest in the database: what `hub secrets` counts and seals anew. */
import { sealedKeys } from '../access/login/account.ts';
import type { SealedColumn } from '../access/secrets/rotate.ts';
import { sealedHeaders } from '../feeds/subscription/seal.ts';
import { sealedEndpointSecrets } from '../ingest/registry/secrets.ts';

export const sealedColumns: readonly SealedColumn[] = [...sealedKeys, sealedHeaders, sealedEndpointSecrets];
