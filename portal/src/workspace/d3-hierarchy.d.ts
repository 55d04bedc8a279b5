/** The part of d3-hierarchy 3.1 that the portal uses; the package brings no types of its own. */
declare module 'd3-hierarchy' {
  export interface HierarchyNode<Datum> {
    data: Datum;
    depth: number;
    parent: this | null;
    children?: this[];
    value?: number;
    sum(value: (datum: Datum) => number): this;
    sort(compare: (a: this, b: this) => number): this;
    descendants(): this[];
    ancestors(): this[];
  }
  export interface HierarchyCircularNode<Datum> extends HierarchyNode<Datum> {
    x: number;
    y: number;
    r: number;
  }
  export interface PackLayout {
    <Datum>(root: HierarchyNode<Datum>): HierarchyCircularNode<Datum>;
    size(size: [width: number, height: number]): this;
    padding(padding: (node: { depth: number }) => number): this;
  }
  export function hierarchy<Datum>(data: Datum, children: (datum: Datum) => Datum[] | undefined): HierarchyNode<Datum>;
  export function pack(): PackLayout;
}
