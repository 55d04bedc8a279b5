const FONT = 'Inter Variable, system-ui, sans-serif';
/** Eight hues that stay apart for colour-blind eyes and in print. */
const LIGHT = ['#2b6c99', '#d9722e', '#2f8f74', '#a8436b', '#7a62b3', '#b08d1e', '#5a6b70', '#6aa9cc'];
const DARK = ['#6aaedb', '#f0985c', '#5cc4a4', '#e07fa3', '#a993e0', '#dcbc55', '#a3b3b8', '#a5d3ec'];

/** What a chart's own colours become by night: medmip.algorithms.palette names them. */
const NIGHT: Record<string, string> = {
  '#2b6c99': '#6aaedb',
  '#b5482f': '#f0886b',
  '#24343a': '#dbe4e6',
  '#f1f4f5': '#26323a',
};

/** A chart's specification with its colours for the page's scheme. */
export function inScheme<T>(spec: T, scheme: 'light' | 'dark'): T {
  if (scheme === 'light') return spec;
  const known = new RegExp(`"(${Object.keys(NIGHT).join('|')})"`, 'g');
  return JSON.parse(JSON.stringify(spec).replace(known, (_, colour: string) => `"${NIGHT[colour] ?? colour}"`)) as T;
}

/** How every chart looks: the page's letters, quiet axes, one accent. */
export function chartTheme(scheme: 'light' | 'dark') {
  const night = scheme === 'dark';
  const ink = night ? '#dbe4e6' : '#24343a';
  const quiet = night ? '#9fb0b4' : '#56666b';
  const line = night ? '#344146' : '#e3eaec';
  const hues = night ? DARK : LIGHT;
  const accent = hues[0];
  const mark = { color: accent };
  return {
    font: FONT,
    background: 'transparent',
    view: { stroke: 'transparent' },
    axis: {
      labelColor: quiet, titleColor: quiet, gridColor: line, domainColor: quiet, tickColor: line,
      labelFontSize: 11, titleFontSize: 11.5, titleFontWeight: 500, titlePadding: 10, labelLimit: 220,
    },
    axisQuantitative: { tickCount: 8 },
    legend: {
      labelColor: ink, titleColor: quiet, labelFontSize: 11.5, titleFontSize: 11.5, titleFontWeight: 500, orient: 'top',
      columns: 3, labelLimit: 150,
    },
    header: { labelColor: ink, titleColor: quiet, labelFontSize: 12, titleFontSize: 12 },
    title: { color: ink, fontSize: 13, fontWeight: 600, anchor: 'start' },
    text: { color: ink },
    rule: { color: quiet },
    bar: mark,
    point: { ...mark, filled: true },
    circle: mark,
    line: mark,
    area: mark,
    rect: mark,
    range: { category: hues },
  } as const;
}
