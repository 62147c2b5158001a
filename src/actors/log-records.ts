/**
 * Records of the log by the places that the tail keeps. One that cannot be decoded, is another session's, or does not
 * follow is CORRUPT with file and offset; whoever reads for a session adds its id.
 */
import { isStoreError, type StoreError, storeError } from "../errors.ts";
import type { Lsn } from "../ids.ts";
import { BodiesShed } from "../session/node-entry.ts";
import { decodeRecord, type LogRecord, type SessionRecord } from "../session/record.ts";

export interface LogRecordsParts {
  /** Verified payload of a frame of the log. Throws CORRUPT. */
  readonly readFrame: (segment: number, offset: number) => Uint8Array;
  /** Name of a segment for messages. */
  readonly segmentName: (segment: number) => string;
}

export interface RecordPlace {
  readonly lsn: Lsn;
  readonly segment: number;
  readonly offset: number;
}

export class LogRecords {
  readonly #parts: LogRecordsParts;
  constructor(parts: LogRecordsParts) {
    this.#parts = parts;
  }

  read(segment: number, offset: number): LogRecord {
    return this.#decode(this.#parts.readFrame(segment, offset), segment, offset);
  }

  /** What `applyRecord` makes of the session's record there. BodiesShed is thrown on: nothing is wrong with the log. */
  applyAt<Value>(
    sessionId: string,
    { lsn, segment, offset }: RecordPlace,
    applyRecord: (record: SessionRecord, bytes: number) => Value,
  ): Value {
    const payload = this.#parts.readFrame(segment, offset);
    const record = this.#decode(payload, segment, offset);
    if (record.kind === "blob" || record.sessionId !== sessionId) {
      const problem = `LSN ${lsn} is not a record of session "${sessionId}"`;
      throw this.corrupt(segment, offset, problem);
    }
    try {
      return applyRecord(record, payload.length);
    } catch (error) {
      if (isStoreError(error) || error instanceof BodiesShed) throw error;
      const problem = `LSN ${lsn} does not follow: ${(error as Error).message}`;
      throw this.corrupt(segment, offset, problem, error);
    }
  }

  corrupt(segment: number, offset: number, problem: string, cause?: unknown): StoreError {
    const file = this.#parts.segmentName(segment);
    return storeError("CORRUPT", { file, offset }, `${file} at ${offset}: ${problem}`, cause);
  }

  #decode(payload: Uint8Array, segment: number, offset: number): LogRecord {
    try {
      return decodeRecord(payload);
    } catch (error) {
      throw this.corrupt(segment, offset, `its record cannot be read: ${(error as Error).message}`, error);
    }
  }
}
