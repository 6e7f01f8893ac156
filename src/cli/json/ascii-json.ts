/** The version of every JSON that `sbx` prints; `docs/sbx.schema.json` describes it. */
export const JSON_SCHEMA = 1;

/** A value as one line of JSON. ASCII only, so that no reader's idea of an encoding can damage it. */
export function formatJsonLine(value: unknown): string {
  return `${escapeNonAscii(JSON.stringify(value))}\n`;
}

/** JSON text in which every UTF-16 unit beyond ASCII is written as an escape. */
export function escapeNonAscii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
