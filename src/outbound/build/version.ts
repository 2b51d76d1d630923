/** What one version of HL7v2 has room for: as much of its dictionary as writing a message needs. */

/** The versions that the dictionary has; known without reading it. */
export const versionNames = [
  '2.1',
  '2.2',
  '2.3',
  '2.3.1',
  '2.4',
  '2.5',
  '2.5.1',
  '2.6',
  '2.7',
  '2.7.1',
  '2.8',
] as const;

export interface FieldDefinition {
  /** Data type, as `CX`; `VARIES` for OBX-5. */
  readonly type: string;
  readonly isRepeating: boolean;
  readonly isRequired: boolean;
  readonly name: string;
}

export interface Version {
  /** MSH-12. */
  readonly version: string;
  /** By segment name and field number. */
  readonly segments: Readonly<Record<string, Readonly<Record<number, FieldDefinition | undefined>> | undefined>>;
  /** How many components each composite data type has; a type that is not here has no components. */
  readonly components: Readonly<Record<string, number | undefined>>;
  /** Names of the segments of each message structure (MSH-9.3). */
  readonly messages: Readonly<Record<string, readonly string[] | undefined>>;
}
