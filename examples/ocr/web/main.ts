// The page: takes a picture from a file, a drop or the example, has the worker read it, and shows the lines.

import type { Line } from "../read.js";
import type { Answer, Question } from "./messages.js";

/** Longer sides are scaled down to this before the picture is read. */
const longestSide = 2400;

/** The element of the page with an id. */
function element<T extends HTMLElement>(id: string, type: abstract new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} "${id}"`);
  return found;
}

const file = element("file", HTMLInputElement);
const example = element("example", HTMLButtonElement);
const status = element("status", HTMLOutputElement);
const drop = element("drop", HTMLElement);
const invitation = element("invitation", HTMLParagraphElement);
const canvas = element("picture", HTMLCanvasElement);
const list = element("lines", HTMLOListElement);
const context = canvas.getContext("2d", { willReadFrequently: true });
const worker = new Worker("/worker.js", { type: "module" });

/** Says what is going on; `state` is also on the element, as data-state. */
function say(state: "loading" | "idle" | "reading" | "failed", text: string): void {
  status.textContent = text;
  status.dataset["state"] = state;
  status.classList.toggle("failed", state === "failed");
  const busy = state === "loading" || state === "reading";
  file.disabled = busy;
  example.disabled = busy;
}

/** Shows the picture that `give` gets and hands it to the worker. Does nothing while another is being read. */
async function open(give: () => Blob | Promise<Blob>): Promise<void> {
  if (context === null || example.disabled) return;
  try {
    say("reading", "Reading");
    list.replaceChildren();
    const bitmap = await createImageBitmap(await give());
    const scale = Math.min(1, longestSide / Math.max(bitmap.width, bitmap.height));
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    canvas.hidden = false;
    invitation.hidden = true;
    const { width, height, data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const question: Question = { width, height, rgba: data };
    worker.postMessage(question, [data.buffer]);
  } catch (error) {
    say("failed", `This picture cannot be opened: ${error instanceof Error ? error.message : error}`);
  }
}

/** The picture that the server has. */
async function exampleFile(): Promise<Blob> {
  const response = await fetch("/example.png");
  if (!response.ok) throw new Error(`the server says ${response.status}`);
  return response.blob();
}

/** Draws the box of every line over the picture, with its number. */
function drawBoxes(lines: readonly Line[]): void {
  if (context === null) return;
  const unit = Math.max(canvas.width, canvas.height) / 640;
  context.lineWidth = 1.5 * unit;
  context.font = `600 ${11 * unit}px system-ui, "DejaVu Sans", sans-serif`;
  context.textBaseline = "bottom";
  lines.forEach(({ corners }, index) => {
    context.strokeStyle = "#d9480f";
    context.beginPath();
    for (const { x, y } of corners) context.lineTo(x, y);
    context.closePath();
    context.stroke();
    const [{ x, y }] = corners;
    const label = String(index + 1);
    const width = context.measureText(label).width + 6 * unit;
    context.fillStyle = "#d9480f";
    context.fillRect(x, y - 14 * unit, width, 14 * unit);
    context.fillStyle = "#ffffff";
    context.fillText(label, x + 3 * unit, y - unit);
  });
}

/** Lists the text of every line. */
function showText(lines: readonly Line[]): void {
  const rows = lines.map(({ text, confidence }) => {
    const row = document.createElement("li");
    const [words, percent] = [document.createElement("span"), document.createElement("span")];
    words.className = "text";
    words.textContent = text;
    percent.className = "confidence";
    percent.textContent = `${(confidence * 100).toFixed(1)} %`;
    row.append(words, percent);
    return row;
  });
  list.replaceChildren(...rows);
}

worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
  if (data.kind === "ready") return say("idle", "Ready");
  if (data.kind === "failed") return say("failed", data.message);
  drawBoxes(data.lines);
  showText(data.lines);
  const count = data.lines.length === 1 ? "1 line" : `${data.lines.length} lines`;
  say("idle", `${count} in ${Math.round(data.milliseconds)} ms`);
});
worker.addEventListener("error", ({ message }) => say("failed", `The worker failed: ${message}`));

file.addEventListener("change", () => {
  const [chosen] = file.files ?? [];
  if (chosen !== undefined) void open(() => chosen);
  file.value = "";
});
example.addEventListener("click", () => void open(exampleFile));
for (const name of ["dragenter", "dragover", "dragleave", "drop"] as const) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragenter" || name === "dragover");
    const [dropped] = name === "drop" ? (event.dataTransfer?.files ?? []) : [];
    if (dropped !== undefined) void open(() => dropped);
  });
}
say("loading", "Loading the networks");
