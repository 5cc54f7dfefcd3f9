// URLs of objects and plain paths, as text: nothing here looks at what is there.

/** What stores there are: store.ts must have one for each. */
export const schemes = ["file", "s3", "http", "https"] as const;
export type Scheme = (typeof schemes)[number];

/** The scheme in lower case; undefined for a plain path. */
export function schemeOf(url: string): string | undefined {
  return /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
}

/** Whether opening it takes a request to a service. */
export function isRemote(url: string): boolean {
  return (schemeOf(url) ?? "file") !== "file";
}

/** `name` inside the folder `base`; an absolute name stands for itself. */
export function joinUrl(base: string, name: string): string {
  if (schemeOf(name) !== undefined || name.startsWith("/")) return name;
  return `${base.replace(/\/+$/, "") || "/"}/${name}`.replace(/^\/\/(?=[^/])/, "/");
}

export function parentUrl(url: string): string {
  const cut = url.replace(/\/+$/, "").lastIndexOf("/");
  return cut < 0 ? "." : cut === 0 ? "/" : url.slice(0, cut);
}

/** The last part of the path; an http URL's query is none of it. */
export function baseName(url: string): string {
  const path = /^https?:/i.test(url) ? url.replace(/[?#].*$/, "") : url;
  return path.replace(/\/+$/, "").split("/").at(-1) ?? url;
}
