// What the calls take and answer, read out of the generated types. Nothing here exists at run time.

import type { components, paths } from "./openapi.js";

/** The shapes of the contract by name, such as `Schemas["Reward"]`. */
export type Schemas = components["schemas"];

/** The methods of the API. */
export type Method = "get" | "post" | "put" | "patch" | "delete";

/** The paths that a key opens. Links, pages and the document itself are for browsers. */
export type ApiPath = Extract<keyof paths, `/v1/${string}`>;

/** An operation as the generator writes it. */
interface Operation {
  parameters: object;
  responses: object;
}

type OperationOf<M extends Method, P extends ApiPath> = paths[P][M];

/** The paths that have a method. */
export type PathOf<M extends Method> = {
  [P in ApiPath]: OperationOf<M, P> extends Operation ? P : never;
}[ApiPath];

type Member<T, K extends string> = K extends keyof T ? Exclude<T[K], undefined> : never;

/** `{}` instead of `never`, so that a call without them has an empty list and not an impossible one. */
type OrNone<T> = [T] extends [never] ? Record<never, never> : T;

type Parameters<M extends Method, P extends ApiPath> = Member<OperationOf<M, P>, "parameters">;

/** The parameters in the path besides the program, which the client may know already. */
type OtherThanProgram<M extends Method, P extends ApiPath> = Omit<OrNone<Member<Parameters<M, P>, "path">>, "program">;

/** The parameters of the query. */
export type Query<M extends Method, P extends ApiPath> = OrNone<Member<Parameters<M, P>, "query">>;

type Content<T> = T extends { content: infer C } ? C : never;

/** JSON as its shape, anything else (lines of JSON, CSV) as the text that it is. */
type Read<C, Accept> = Accept extends keyof C
  ? Accept extends "application/json"
    ? C[Accept]
    : string
  : "application/json" extends keyof C
    ? C["application/json"]
    : string;

type RequestBody<M extends Method, P extends ApiPath> = Member<OperationOf<M, P>, "requestBody">;

/** What a call sends. */
export type Body<M extends Method, P extends ApiPath> = [RequestBody<M, P>] extends [never]
  ? never
  : Read<Content<RequestBody<M, P>>, "application/json">;

type BodyIsNeeded<M extends Method, P extends ApiPath> =
  OperationOf<M, P> extends { requestBody: object } ? true : false;

type Responses<M extends Method, P extends ApiPath> = Member<OperationOf<M, P>, "responses">;

type Success = 200 | 201 | 202 | 204;

/** What a call answers. */
export type Data<M extends Method, P extends ApiPath, Accept = "application/json"> = {
  [S in keyof Responses<M, P> & Success]: [Content<Responses<M, P>[S]>] extends [never]
    ? undefined
    : Read<Content<Responses<M, P>[S]>, Accept>;
}[keyof Responses<M, P> & Success];

/** The media types that a call can answer in. */
export type Accepts<M extends Method, P extends ApiPath> = {
  [S in keyof Responses<M, P> & Success]: keyof Content<Responses<M, P>[S]> & string;
}[keyof Responses<M, P> & Success];

/** The paths of lists. */
export type ListPath = {
  [P in PathOf<"get">]: Data<"get", P> extends { data: unknown[]; next_cursor: string | null } ? P : never;
}[PathOf<"get">];

/** What stands in a list. */
export type Entry<P extends ListPath> = Data<"get", P> extends { data: (infer T)[] } ? T : never;

/** A member that has to be given when anything in it has to be. */
type Needed<K extends string, T> =
  Record<never, never> extends T ? { [N in K]?: T & { program?: string } } : { [N in K]: T & { program?: string } };

type BodyMember<M extends Method, P extends ApiPath> = [Body<M, P>] extends [never]
  ? { body?: never }
  : BodyIsNeeded<M, P> extends true
    ? { body: Body<M, P> }
    : { body?: Body<M, P> };

/** What is particular to one call. */
export type Particulars<M extends Method, P extends ApiPath> = Needed<"path", OtherThanProgram<M, P>> &
  BodyMember<M, P> & {
    /** The parameters of the query. */
    query?: Query<M, P>;
  };
