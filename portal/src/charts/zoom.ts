type Part = Record<string, unknown>;

/** A chart that the wheel enlarges and the pointer moves, along its axes of numbers; others are left as they are. */
export function zoomable(spec: Part): Part {
  const shared = channels(spec);
  if (Array.isArray(spec.layer)) {
    const layers = spec.layer as Part[];
    const place = layers.findIndex((layer) => 'mark' in layer && numbers({ ...shared, ...channels(layer) }).length > 0);
    const found = layers[place];
    if (!found) return spec;
    const params = [...paramsOf(found), zoom(numbers({ ...shared, ...channels(found) }))];
    return { ...spec, layer: layers.map((layer, index) => clipped(index === place ? { ...layer, params } : layer)) };
  }
  const along = numbers(shared);
  if (!('mark' in spec) || !along.length) return spec;
  return clipped({ ...spec, params: [...paramsOf(spec), zoom(along)] });
}

function zoom(encodings: string[]): Part {
  return { name: 'zoom', select: { type: 'interval', encodings }, bind: 'scales' };
}

function channels(part: Part): Record<string, Part | undefined> {
  return (part.encoding ?? {}) as Record<string, Part | undefined>;
}

function numbers(encoding: Record<string, Part | undefined>): string[] {
  return ['x', 'y'].filter((channel) => encoding[channel]?.type === 'quantitative' && encoding[channel].bin !== true);
}

function paramsOf(part: Part): unknown[] {
  return Array.isArray(part.params) ? (part.params as unknown[]) : [];
}

/** What leaves the axes' range is not drawn over the labels. */
function clipped(part: Part): Part {
  if (!('mark' in part)) return part;
  const mark = typeof part.mark === 'string' ? { type: part.mark } : (part.mark as Part);
  return { ...part, mark: { ...mark, clip: true } };
}
