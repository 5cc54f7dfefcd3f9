// The SDK's client, made on first use: it signs, finds credentials and endpoints, and reads the service's XML. Requests
// go over our own HTTP client, retries are our own.
import { Readable } from "node:stream";
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import { invalidOption } from "../../errors.js";
import { flag, text } from "../../options/kinds.js";
import { type Given, optionTable } from "../../options/table.js";
import { publicUrl } from "../../public-url.js";
import { BodyStream } from "../http/body.js";
import { HttpClient, type HttpRequest } from "../http/http-client.js";
import type { TimeoutOptions } from "../remote/exchange.js";
import type { RequestGate } from "../remote/gate.js";
import { type RetryOptions, type RetryPolicy, TransientError } from "../remote/retry.js";
import { type Doing, explainS3Error } from "./errors.js";
import type { S3Place } from "./url.js";

export const s3Options = optionTable({
  /**
   * The service, when it is not AWS, as in "http://localhost:9000". Default: what AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL
   * or the profile contain.
   */
  endpoint: {
    kind: text,
    flag: "s3-endpoint",
    describe: "S3 service other than AWS, such as http://localhost:9000; AWS_ENDPOINT_URL_S3 does the same",
    group: "Object storage",
  },
  /** The bucket's region. Default: AWS_REGION, AWS_DEFAULT_REGION, the profile's, us-east-1. */
  region: {
    kind: text,
    flag: "s3-region",
    describe: "Region of the bucket, when not AWS_REGION",
    group: "Object storage",
  },
  /** A profile of ~/.aws/config and credentials. */
  profile: {
    kind: text,
    flag: "s3-profile",
    describe: "Profile of ~/.aws for credentials and region",
    group: "Object storage",
  },
  /** Requests without a signature, for public buckets. Default false. */
  anonymous: {
    kind: flag,
    flag: "s3-anonymous",
    describe: "Do not sign requests: public buckets",
    group: "Object storage",
  },
  /** Agree to pay for requests and transfer. Default false. */
  requesterPays: {
    kind: flag,
    flag: "s3-requester-pays",
    describe: "Agree to pay for requests and transfer",
    group: "Object storage",
  },
  /** The bucket in the path instead of the host name. Default: true with an endpoint of one's own. */
  pathStyle: {
    kind: flag,
    flag: "s3-path-style",
    otherwise: "true with `s3.endpoint`",
    describe: "Bucket in the path instead of the host name",
    group: "Object storage",
  },
});

export interface S3Options extends Given<typeof s3Options> {
  readonly retry?: RetryOptions;
  readonly timeouts?: TimeoutOptions;
  /** Requests under way at once. Default 256. */
  readonly maxRequests?: number;
}

type Sdk = typeof import("@aws-sdk/client-s3");

interface Loaded {
  readonly sdk: Sdk;
  readonly client: S3Client;
}

/** What a call of the SDK needs; `abort` is send's second argument. */
export interface S3Session extends Loaded {
  readonly abort: { readonly abortSignal?: AbortSignal };
}

export class S3Connection {
  readonly http: HttpClient;
  private session: Promise<Loaded> | undefined;

  constructor(
    private readonly options: S3Options,
    private readonly retry: RetryPolicy,
    private readonly gate: RequestGate,
  ) {
    this.http = new HttpClient(options.timeouts);
  }

  /** One attempt, its failure explained. */
  async once<T>(
    doing: Doing,
    place: S3Place,
    call: (session: S3Session) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const session = await this.open();
    try {
      return await call({ ...session, abort: signal === undefined ? {} : { abortSignal: signal } });
    } catch (error) {
      signal?.throwIfAborted();
      const explained = explainS3Error(error, place, doing);
      if (explained instanceof TransientError) await this.adapt(explained, session);
      throw explained;
    }
  }

  /** A call that reads no large body, as often as the policy allows. */
  call<T>(doing: Doing, place: S3Place, call: (session: S3Session) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const attempt = () => this.gate.run(() => this.once(doing, place, call, signal), signal);
    return this.retry.run(attempt, { doing, source: place.url, signal });
  }

  async close(): Promise<void> {
    const opening = this.session;
    this.session = undefined;
    (await opening?.catch(() => undefined))?.client.destroy();
    await this.http.close();
  }

  private async adapt({ retryCause }: TransientError, { client }: Loaded): Promise<void> {
    if (retryCause === "throttled") this.gate.throttled();
    // Short-lived credentials are kept until just before they expire; a service that thinks otherwise is right.
    if (retryCause === "credentials" && !this.options.anonymous)
      await client.config.credentials({ forceRefresh: true }).catch(() => {}); // the next attempt reports what is wrong
  }

  private open(): Promise<Loaded> {
    this.session ??= makeSession(this.options, this.http);
    return this.session;
  }
}

async function makeSession(options: S3Options, http: HttpClient): Promise<Loaded> {
  // Which Node releases later versions of it need concerns us, who pin its version, and nobody who runs this one.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";
  // Loaded here: it takes a fifth of a second, which runs on local files need not pay.
  const sdk = await import("@aws-sdk/client-s3");
  const endpoint = checkEndpoint(options.endpoint ?? (await configuredEndpoint(options.profile)));
  const config: S3ClientConfig = {
    ...(endpoint === undefined ? { followRegionRedirects: true } : { endpoint }),
    ...(options.profile === undefined ? {} : { profile: options.profile }),
    ...(options.anonymous ? anonymousAccess : {}),
    forcePathStyle: options.pathStyle ?? endpoint !== undefined,
    requestHandler: requestHandlerOver(http),
    maxAttempts: 1,
    // Other services than AWS know them partly or not at all. What is uploaded is checked by the signature, which
    // covers its SHA-256; what is read, by the checksums of shards.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  };
  return { sdk, client: new sdk.S3Client({ ...config, region: await regionFor(sdk, config, options) }) };
}

/**
 * What environment and profile contain. The SDK looks too, but not in the profile that it is given, and without a
 * report to us, who decide by it where the bucket stands.
 */
async function configuredEndpoint(given: string | undefined): Promise<string | undefined> {
  const { env } = process;
  if (env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS === "true") return undefined;
  if (env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL) return env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL;
  const { loadSharedConfigFiles } = await import("@smithy/core/config");
  const { configFile } = await loadSharedConfigFiles();
  const profile = configFile[given ?? env.AWS_PROFILE ?? "default"];
  return configFile[`services.${profile?.services}`]?.["s3.endpoint_url"] ?? profile?.endpoint_url;
}

function checkEndpoint(endpoint: string | undefined): string | undefined {
  if (endpoint === undefined) return undefined;
  const url = URL.canParse(endpoint) && /^https?:\/\//i.test(endpoint) ? new URL(endpoint) : undefined;
  if (url !== undefined && url.username + url.password === "") return endpoint;
  throw invalidOption(
    "s3.endpoint",
    "(as must AWS_ENDPOINT_URL and the profile's endpoint_url) a URL such as http://localhost:9000, without user name and password",
    publicUrl(endpoint),
  );
}

/** The SDK asks for a region even where the service has none. */
async function regionFor({ S3Client }: Sdk, config: S3ClientConfig, { region }: S3Options): Promise<string> {
  const given = region ?? process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION;
  if (given !== undefined) return given;
  const probe = new S3Client(config);
  try {
    return await probe.config.region();
  } catch {
    return "us-east-1"; // none is configured anywhere
  } finally {
    probe.destroy();
  }
}

/** The SDK wants credentials even for requests that it is not to sign. */
const anonymousAccess = {
  credentials: { accessKeyId: "anonymous", secretAccessKey: "anonymous" },
  signer: { sign: async <T>(request: T) => request },
} as const;

type RequestHandler = Exclude<NonNullable<S3ClientConfig["requestHandler"]>, { connectionTimeout?: number }>;

/** What the SDK's request handlers are given. */
interface SdkRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** Headers that the HTTP client sets or refuses; none is part of the signature. */
const ownHeaders = new Set(["expect", "connection", "transfer-encoding"]);

function requestHandlerOver(http: HttpClient): RequestHandler {
  const handler = {
    metadata: { handlerProtocol: "http/1.1" },
    async handle(request: SdkRequest, { abortSignal }: { abortSignal?: AbortSignal } = {}) {
      const headers = Object.fromEntries(
        Object.entries(request.headers).filter(([name]) => !ownHeaders.has(name.toLowerCase())),
      );
      if (request.method === "GET" && headers.range !== undefined) {
        const { status, headers: found, body } = await http.get({ ...placeOf(request), headers }, abortSignal);
        return { response: { statusCode: status, headers: found, body: new BodyStream(body) } };
      }
      const method = request.method as HttpRequest["method"];
      const answer = await http.send({ method, ...placeOf(request), headers, body: request.body, signal: abortSignal });
      // What the SDK reads itself it would wait for without end.
      const body = Readable.from([await http.collect(answer.body)]);
      return { response: { statusCode: answer.status, headers: answer.headers, body } };
    },
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
    destroy() {},
  };
  return handler as unknown as RequestHandler; // the interface also names the SDK's own stream types
}

function placeOf({ protocol, hostname, port, path, query = {} }: SdkRequest): { origin: string; path: string } {
  const encode = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const pairs = Object.entries(query).flatMap(([name, value]) => {
    const values = Array.isArray(value) ? value : [value];
    return values.map((each) => (each === null ? encode(name) : `${encode(name)}=${encode(each)}`));
  });
  const search = pairs.length === 0 ? "" : `?${pairs.join("&")}`;
  return { origin: `${protocol}//${hostname}${port === undefined ? "" : `:${port}`}`, path: path + search };
}
