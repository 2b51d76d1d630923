/** What one version of HL7v2 has room for: as much of its dictionary as writing a message needs. */

export interface FieldDefinition {
  /** Data type, as `CX`; `VARIES` for OBX-5. */
  readonly type: string;
  readonly isRepeating?: boolean;
  readonly isRequired?: boolean;
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
