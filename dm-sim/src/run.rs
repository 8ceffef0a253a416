//! Runs a plan: picks, step by step, what happens next.

use std::panic::{AssertUnwindSafe, catch_unwind};

use dm_core::{Change, MappedDevice, Open, State};

use crate::model::{Content, Model, ZEROS, initial};
use crate::{Failure, Layout, Plan, Random, Sim, SimHost};

mod control;
mod finish;
mod machine_room;
mod requests;
mod trace;

use requests::InFlight;
pub use trace::Tally;
use trace::Trace;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What went wrong, if anything did.
    pub failure: Option<Failure>,
    /// How much happened.
    pub tally: Tally,
    /// Every step in words, if that was asked for.
    pub trace: Vec<String>,
}

/// How many steps a run may take.
const MOST_STEPS: u64 = 400_000;

/// How many steps a change may take, and a request of a device that is not suspended.
const MOST_DRAIN_STEPS: u64 = 20_000;

impl Plan {
    /// Does what the plan says, and checks what it promises. The same plan always runs the same way.
    pub fn run(&self) -> Outcome {
        self.run_with(Trace { lines: None })
    }

    /// The same, and says what happens in each step.
    pub fn run_traced(&self) -> Outcome {
        self.run_with(Trace { lines: Some(Vec::new()) })
    }

    fn run_with(&self, trace: Trace) -> Outcome {
        let mut run = Run::new(self, trace);
        let failure = match catch_unwind(AssertUnwindSafe(|| run.run())) {
            Ok(result) => result.err(),
            Err(payload) => {
                let text = payload.downcast_ref::<String>().cloned();
                let word = || payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
                let message = text.or_else(word).unwrap_or_default();
                Some(Failure::Panicked { message })
            }
        };
        run.count_disks();
        if let Some(failure) = &failure {
            run.trace.add(run.tally.steps, || format!("FAILED: {failure}"));
        }
        Outcome { failure, tally: run.tally, trace: run.trace.lines.take().unwrap_or_default() }
    }
}

/// A run under way.
struct Run<'p> {
    plan: &'p Plan,
    random: Random,
    sim: Sim,
    device: Option<MappedDevice<SimHost>>,
    open: Option<Open<SimHost>>,
    model: Model,
    in_flight: Vec<InFlight>,
    /// The layout that is bound.
    layout: Layout,
    /// The change that was asked for last, until it has taken place.
    change: Option<Pending>,
    /// The layout that waits to be bound.
    loaded: Option<Layout>,
    /// The layout to be loaded once the device has drained, if all copies are in sync then.
    moving: Option<Layout>,
    next_request: usize,
    next_control: usize,
    /// The step from which on the next control may happen.
    control_due: u64,
    /// Something was done to a disk that requests may fail for.
    disturbed: bool,
    temper: Temper,
    tally: Tally,
    trace: Trace,
}

/// A change that is not over.
struct Pending {
    change: Change<SimHost>,
    what: &'static str,
    since: u64,
}

/// How likely each kind of step is in this run.
struct Temper {
    request: u64,
    carry_out: u64,
    tear: u64,
    settle: u64,
    clock: u64,
}

#[derive(Clone, Copy)]
enum Choice {
    Request,
    Control,
    CarryOut,
    Tear,
    Settle,
    Clock,
}

impl<'p> Run<'p> {
    fn new(plan: &'p Plan, trace: Trace) -> Run<'p> {
        let mut random = Random::new(plan.schedule);
        let temper = Temper {
            request: *random.pick(&[2, 10, 40]),
            carry_out: *random.pick(&[5, 20, 40]),
            tear: *random.pick(&[0, 1, 4]),
            settle: *random.pick(&[5, 20, 60]),
            clock: *random.pick(&[1, 4, 15]),
        };
        let registry = plan.registry.try_clone().expect("memory for the target types");
        let sim = Sim::with(registry, Vec::new(), dm_core::Time::default());
        for disk in &plan.disks {
            sim.add_disk_with(&disk.name, disk.sectors, disk.limits).set_random(random.fork());
        }
        Run {
            plan,
            random,
            sim,
            device: None,
            open: None,
            model: Model::new([]),
            in_flight: Vec::new(),
            layout: plan.layout.clone(),
            change: None,
            loaded: None,
            moving: None,
            next_request: 0,
            next_control: 0,
            control_due: plan.controls.first().map_or(0, |control| control.after),
            disturbed: false,
            temper,
            tally: Tally::default(),
            trace,
        }
    }

    fn run(&mut self) -> Result<(), Failure> {
        self.model = Model::new(self.fill_disks());
        self.bring_up()?;
        while !self.is_over() && self.step(true)? {}
        self.finish()
    }

    /// Whether everything on the plan's lists was done. Work in the background may go on for ever.
    fn is_over(&self) -> bool {
        let asked = self.next_request >= self.plan.requests.len() && self.in_flight.is_empty();
        asked && self.next_control >= self.plan.controls.len() && self.change.is_none()
    }

    /// Gives every disk contents that no other has; returns those of the device.
    fn fill_disks(&self) -> Vec<Content> {
        let (disks, places) = (self.sim.disks(), &self.plan.layout.places);
        if !places.is_empty() {
            for (n, disk) in disks.iter().enumerate() {
                disk.fill(|byte| initial(n, byte as u64 / 512).to_le_bytes()[byte % 8]);
            }
        }
        let contents = (0..self.plan.sectors).map(|sector| {
            let mut copies =
                places.iter().filter_map(|place| Some((place.disk, place.of(sector)?)));
            let Some((disk, start)) = copies.next() else {
                return ZEROS;
            };
            if self.plan.alike {
                let bytes = disks[disk].sectors(start, 1);
                copies.for_each(|(other, at)| disks[other].put(at, &bytes));
            }
            Content::Value(initial(disk, start))
        });
        contents.collect()
    }

    /// Does one thing; returns whether there was one. New work is only begun with `start`.
    fn step(&mut self, start: bool) -> Result<bool, Failure> {
        let Some(choice) = self.choose(start) else {
            return self.stand_still(start);
        };
        self.tally.steps += 1;
        if self.tally.steps > MOST_STEPS {
            return Err(Failure::Endless { steps: MOST_STEPS });
        }
        match choice {
            Choice::Request => self.start_request(),
            Choice::Control => self.control()?,
            Choice::CarryOut => self.carry_out(),
            Choice::Tear => self.tear(),
            Choice::Settle => self.settle(),
            Choice::Clock => self.move_clock(),
        }
        self.look_around()?;
        Ok(true)
    }

    fn choose(&mut self, start: bool) -> Option<Choice> {
        let ready = self.ready_count() > 0;
        let control = start && self.next_control < self.plan.controls.len();
        let mut choices = [
            (Choice::Request, if start && self.may_start() { self.temper.request } else { 0 }),
            (Choice::Control, if control && self.is_due() { 50 } else { 0 }),
            (Choice::CarryOut, if ready { self.temper.carry_out } else { 0 }),
            (Choice::Tear, if ready { self.temper.tear } else { 0 }),
            (Choice::Settle, if self.is_notified() { self.temper.settle } else { 0 }),
            (Choice::Clock, if self.next_moment().is_some() { self.temper.clock } else { 0 }),
        ];
        let mut sum: u64 = choices.iter().map(|(_, weight)| weight).sum();
        if sum == 0 && control {
            // Nothing else is left to do: it happens sooner.
            (choices[1].1, sum) = (1, 1);
        }
        let mut at = self.random.below(sum);
        for (choice, weight) in choices {
            match at.checked_sub(weight) {
                Some(rest) => at = rest,
                None => return Some(choice),
            }
        }
        None
    }

    fn is_due(&self) -> bool {
        self.tally.steps >= self.control_due
    }

    /// Nothing can be done: whatever is still under way is lost.
    fn stand_still(&mut self, start: bool) -> Result<bool, Failure> {
        if let Some(pending) = &self.change {
            if !pending.change.is_done() {
                return Err(Failure::NotDrained { what: pending.what });
            }
            self.end_change()?;
            return Ok(true);
        }
        let active = self.device.as_ref().is_some_and(|device| device.state() == State::Active);
        if active && let Some(lost) = self.in_flight.first() {
            return Err(Failure::Lost { request: lost.request });
        }
        // While the device is suspended, and stays so, there is no room for this one.
        let skip = start && self.next_request < self.plan.requests.len();
        self.next_request += usize::from(skip);
        Ok(skip)
    }

    /// Takes note of what has ended, and of what is too much.
    fn look_around(&mut self) -> Result<(), Failure> {
        let mut n = 0;
        while let Some(flight) = self.in_flight.get(n) {
            match flight.ticket.result() {
                None => n += 1,
                Some(result) => {
                    let flight = self.in_flight.remove(n);
                    self.end_request(&flight, result)?;
                }
            }
        }
        self.look_at_change()?;
        self.look_for_lost()?;
        self.look_at_memory()
    }

    fn look_at_change(&mut self) -> Result<(), Failure> {
        let Some(pending) = &self.change else {
            return Ok(());
        };
        // Asking settles the device, so it is not done every time.
        if !self.random.percent(10) || !pending.change.is_done() {
            let took = self.tally.steps - pending.since;
            let what = pending.what;
            return if took > MOST_DRAIN_STEPS {
                Err(Failure::NotDrained { what })
            } else {
                Ok(())
            };
        }
        self.end_change()
    }

    fn look_at_memory(&self) -> Result<(), Failure> {
        let (each, besides) = self.plan.promises.jobs;
        let (jobs, requests) = (self.sim.waiting_count(), self.in_flight.len());
        let promised = each * requests + besides;
        if jobs > promised {
            return Err(Failure::TooManyJobs { jobs, requests, promised });
        }
        let (sectors, promised) = (self.sim.buffered_sectors(), 2 * self.plan.promises.buffers);
        if sectors > promised {
            return Err(Failure::TooMuchMemory { sectors, promised });
        }
        Ok(())
    }
}
