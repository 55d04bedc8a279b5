const WIDE = 132;
const HIGH = 16;
const MOST = 6;
const FAR = 3.5;

/** A robust z as a dot on a line whose marks tell what is far; a number beside it says the same. */
export function Distance({ z }: { z: number | null }) {
  if (z === null) return null;
  const place = (value: number) => WIDE / 2 + (Math.max(-MOST, Math.min(MOST, value)) / MOST) * (WIDE / 2 - 6);
  return (
    <svg className="distance" aria-hidden width={WIDE} height={HIGH} viewBox={`0 0 ${WIDE} ${HIGH}`}>
      <rect x={place(-FAR)} width={place(FAR) - place(-FAR)} y={HIGH / 2 - 3} height={6} rx={3} />
      {[-FAR, 0, FAR].map((mark) => (
        <line key={mark} x1={place(mark)} x2={place(mark)} y1={2} y2={HIGH - 2} />
      ))}
      <circle data-far={Math.abs(z) > FAR} cx={place(z)} cy={HIGH / 2} r={4.5} />
    </svg>
  );
}
