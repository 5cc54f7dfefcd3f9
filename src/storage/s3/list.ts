// What lies below a folder of a bucket: objects, folders, and uploads that nobody completed.
import type { ObjectInfo } from "../object-store.js";
import type { S3Connection } from "./client.js";
import { isMissing } from "./errors.js";
import { folderPrefix, type Payer, type S3Place, textOfKey } from "./url.js";

interface Page {
  readonly entries: readonly ObjectInfo[];
  /** Whether there is anything at all, the empty object that consoles make a "folder" by included. */
  readonly isEmpty: boolean;
  readonly next: string | undefined;
}

const pageKeys = 1000;

/** Its URL would be that of the folder above. */
const nameless = "a folder without a name: keys with // in them, or with a / in front, cannot be listed";
const notText = "a key that is not UTF-8: it cannot be asked for";

export class S3Listing {
  constructor(
    private readonly connection: S3Connection,
    private readonly payer: Payer,
  ) {}

  /**
   * Whether anything lies below it, or it was made in a console. A bucket is a folder, empty or not; NO_SUCH_BUCKET.
   */
  async isFolder(place: S3Place, signal?: AbortSignal): Promise<boolean> {
    const { isEmpty } = await this.page(place, folderPrefix(place.key), 1, undefined, signal);
    return !isEmpty || place.key === "";
  }

  /** Objects and folders directly below, in name order. */
  async below(place: S3Place, namePrefix: string, signal?: AbortSignal): Promise<ObjectInfo[]> {
    const prefix = folderPrefix(place.key) + namePrefix;
    const found: ObjectInfo[] = [];
    let token: string | undefined;
    do {
      const page = await this.page(place, prefix, pageKeys, token, signal);
      found.push(...page.entries);
      token = page.next;
    } while (token !== undefined);
    return found.sort((a, b) => (a.url < b.url ? -1 : 1));
  }

  /** Parts of an upload are stored, and paid for, until somebody completes or aborts it. */
  async abortUploads(place: S3Place, isName: (name: string) => boolean): Promise<void> {
    const prefix = folderPrefix(place.key);
    const { bucket: Bucket } = place;
    for (const { Key, UploadId } of await this.uploads(place, prefix)) {
      const name = Key.slice(prefix.length);
      if (name.includes("/") || !isName(name)) continue;
      await this.connection.call("cannot remove it", place, async ({ sdk, client, abort }) => {
        try {
          await client.send(new sdk.AbortMultipartUploadCommand({ Bucket, Key, UploadId, ...this.payer }), abort);
        } catch (error) {
          if (!isMissing(error)) throw error;
        }
      });
    }
  }

  private async page(
    { bucket, ...place }: S3Place,
    prefix: string,
    most: number,
    token: string | undefined,
    signal?: AbortSignal,
  ): Promise<Page> {
    const input = {
      Bucket: bucket,
      Prefix: prefix,
      Delimiter: "/",
      MaxKeys: most,
      EncodingType: "url", // XML cannot express every character that a key may have
      ...(token === undefined ? {} : { ContinuationToken: token }),
      ...this.payer,
    } as const;
    const list = await this.connection.call(
      "cannot list it",
      { bucket, ...place },
      ({ sdk, client, abort }) => client.send(new sdk.ListObjectsV2Command(input), abort),
      signal,
    );
    const url = (key: string) => `s3://${bucket}/${key}`;
    // Not every service does as it is asked.
    const decode = list.EncodingType === "url" ? textOfKey : (key: string) => key;
    const folders = (list.CommonPrefixes ?? []).map(({ Prefix = "" }): ObjectInfo => {
      const key = decode(Prefix);
      const folder = { url: url((key ?? Prefix).slice(0, -1)), byteLength: 0, version: "", kind: "folder" as const };
      if (key === undefined) return { ...folder, problem: notText };
      return /(?:^|\/)\/$/.test(key) ? { ...folder, problem: nameless } : folder;
    });
    const objects = (list.Contents ?? []).flatMap(({ Key = "", Size = 0, ETag = "" }): ObjectInfo[] => {
      const key = decode(Key);
      if (key === undefined) return [{ url: url(Key), byteLength: 0, version: ETag, kind: "other", problem: notText }];
      // Consoles make "folders" by empty objects whose names end in a slash.
      return key.endsWith("/") ? [] : [{ url: url(key), byteLength: Size, version: ETag, kind: "object" }];
    });
    const isEmpty = folders.length === 0 && (list.Contents ?? []).length === 0;
    const next = list.IsTruncated ? list.NextContinuationToken : undefined;
    return { entries: [...folders, ...objects], isEmpty, next };
  }

  private async uploads(place: S3Place, Prefix: string): Promise<{ Key: string; UploadId: string }[]> {
    const { bucket: Bucket } = place;
    const found: { Key: string; UploadId: string }[] = [];
    let marker: { KeyMarker?: string; UploadIdMarker?: string } = {};
    for (;;) {
      const input = { Bucket, Prefix, ...marker, ...this.payer };
      const page = await this.connection.call("cannot list it", place, ({ sdk, client, abort }) =>
        client.send(new sdk.ListMultipartUploadsCommand(input), abort),
      );
      for (const { Key, UploadId } of page.Uploads ?? [])
        if (Key !== undefined && UploadId !== undefined) found.push({ Key, UploadId });
      const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = page;
      if (!IsTruncated || NextKeyMarker === undefined) return found;
      marker = { KeyMarker: NextKeyMarker, ...(NextUploadIdMarker ? { UploadIdMarker: NextUploadIdMarker } : {}) };
    }
  }
}
