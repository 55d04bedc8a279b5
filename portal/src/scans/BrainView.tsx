import { Niivue, SLICE_TYPE } from '@niivue/niivue';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useId, useRef, useState } from 'react';

import { scansApi } from '../api/scans';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';

const t = texts.review.brain;
const BEGIN = { azimuth: 120, elevation: 15 };

/** A volume rendered by niivue; the sliders turn it for those who do not drag. */
export default function BrainView({ id }: { id: string }) {
  const query = useQuery({ queryKey: ['brain', id], queryFn: () => scansApi.brain(id), gcTime: 0, staleTime: Infinity });
  if (query.isPending) return <Loading />;
  if (query.error) return <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />;
  return <Rendered volume={query.data} />;
}

function Rendered({ volume }: { volume: ArrayBuffer }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const viewer = useRef<Niivue | null>(null);
  const [failed, setFailed] = useState(false);
  const [angle, setAngle] = useState(BEGIN);
  useEffect(() => {
    const place = canvas.current;
    if (!place) return;
    const shown = new Niivue({
      backColor: [0, 0, 0, 1],
      dragAndDropEnabled: false,
      isOrientCube: true,
      isResizeCanvas: true,
      show3Dcrosshair: false,
    });
    let gone = false;
    const show = async () => {
      await shown.attachToCanvas(place);
      await shown.loadFromArrayBuffer(volume, 'brain.nii.gz');
      if (gone) return;
      shown.setSliceType(SLICE_TYPE.RENDER);
      shown.setRenderAzimuthElevation(BEGIN.azimuth, BEGIN.elevation);
      viewer.current = shown;
    };
    show().catch(() => {
      if (!gone) setFailed(true);
    });
    return () => {
      gone = true;
      viewer.current = null;
      shown.cleanup();
    };
  }, [volume]);
  const turn = (change: Partial<typeof BEGIN>) => {
    const wanted = { ...angle, ...change };
    setAngle(wanted);
    viewer.current?.setRenderAzimuthElevation(wanted.azimuth, wanted.elevation);
  };
  if (failed) return <ProblemAlert problem={{ title: t.failed, detail: t.failedHint }} />;
  return (
    <div className="brain">
      <div className="seen">
        <canvas ref={canvas} role="img" aria-label={t.seen} />
      </div>
      <Turn name={t.azimuth} least={0} most={360} value={angle.azimuth} onTurn={(azimuth) => turn({ azimuth })} />
      <Turn name={t.elevation} least={-90} most={90} value={angle.elevation} onTurn={(elevation) => turn({ elevation })} />
    </div>
  );
}

function Turn({
  name,
  least,
  most,
  value,
  onTurn,
}: {
  name: string;
  least: number;
  most: number;
  value: number;
  onTurn: (value: number) => void;
}) {
  const slider = useId();
  return (
    <div className="turn">
      <label htmlFor={slider}>{name}</label>
      <input
        id={slider}
        type="range"
        min={least}
        max={most}
        step={5}
        value={value}
        onChange={(event) => onTurn(Number(event.currentTarget.value))}
      />
    </div>
  );
}
