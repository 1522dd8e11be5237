//! The optimizers whose step treats every element alike, a row each. Name, scalars, slots and options of an update, the
//! numbers that are computed once, and its loop for every type and instruction set follow from the row.
//!
//! ```text
//! Rule "name" (scalars that change from step to step) [slots] {options that do not}
//!     once { numbers of the parameter's type, from the learning rate, scalars and options }
//!     each { new parameter and slots of one element, from its gradient and the numbers }
//! ```
//!
//! The order of operations is Keras 3's, so that trajectories agree to rounding; only quotients of numbers that all
//! elements share are taken once. `step` counts from 1.

use super::{Part, Step, blocks};
use crate::cpu::float::Float;
use crate::cpu::simd::Isa;
use crate::for_each_isa;

/// The largest number of slots of a rule.
pub const MAX_SLOTS: usize = 3;
/// The largest number of scalars of a rule, beside the learning rate.
pub const MAX_SCALARS: usize = 2;

macro_rules! rules {
    ($rate:ident, $parameter:ident, $gradient:ident; $(
        $(#[$meta:meta])*
        $rule:ident $name:literal ($($scalar:ident),*) [$($slot:ident),*] {$($option:ident),*}
        once { $($number:ident = $value:expr;)* }
        each { $($each:tt)* }
    )*) => {
        /// What an optimizer does to one element.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Rule {
            $($(#[$meta])* $rule,)*
        }

        impl Rule {
            pub const ALL: &'static [Rule] = &[$(Rule::$rule),*];

            pub fn name(self) -> &'static str {
                match self { $(Rule::$rule => $name,)* }
            }

            /// What changes from step to step, beside the learning rate.
            pub fn scalars(self) -> &'static [&'static str] {
                match self { $(Rule::$rule => &[$(stringify!($scalar)),*],)* }
            }

            /// What is kept for every element.
            pub fn slots(self) -> &'static [&'static str] {
                match self { $(Rule::$rule => &[$(stringify!($slot)),*],)* }
            }

            pub fn options(self) -> &'static [&'static str] {
                match self { $(Rule::$rule => &[$(stringify!($option)),*],)* }
            }
        }

        /// Updates one part of a parameter.
        #[allow(clippy::too_many_arguments, clippy::too_many_lines, unused_mut, unused_variables)]
        pub(super) fn apply<T: Float>(isa: Isa, step: &Step, part: Part<T>) {
            let $rate = T::from_f64(step.learning_rate);
            let (decay, decay_rate) = (T::from_f64(step.weight_decay), $rate);
            let mut scalars = step.scalars.iter().copied();
            let mut options = step.options.iter().copied();
            match step.rule { $(Rule::$rule => {
                #[inline(always)]
                fn body<T: Float>(
                    decay: T, decay_rate: T, $($number: T,)*
                    $parameter: &mut [T], $gradient: &[T], $($slot: &mut [T]),*
                ) {
                    let length = $parameter.len();
                    let $gradient = &$gradient[..length];
                    $(let $slot = &mut $slot[..length];)*
                    for i in 0..length {
                        let ($parameter, $gradient) = (&mut $parameter[i], $gradient[i]);
                        $(let $slot = &mut $slot[i];)*
                        *$parameter -= *$parameter * decay * decay_rate;
                        $($each)*
                    }
                }
                for_each_isa! {
                    fn run<T: Float>(
                        decay: T, decay_rate: T, $($number: T,)*
                        $parameter: &mut [T], $gradient: &[T], $($slot: &mut [T]),*
                    ) = body;
                }
                $(let $scalar = scalars.next().unwrap_or_default();)*
                $(let $option = options.next().unwrap_or_default();)*
                $(let $number: T = $value;)*
                blocks(isa, step, part, |$parameter, $gradient, slots| {
                    let mut slots = slots.into_iter();
                    $(let $slot = slots.next().unwrap_or_default();)*
                    run(isa, decay, decay_rate, $($number,)* $parameter, $gradient, $($slot),*);
                });
            })* }
        }
    };
}

rules! { rate, parameter, gradient;
    /// Gradient descent.
    Sgd "sgd" () [] {}
        once { rate = rate; }
        each { *parameter -= gradient * rate; }

    /// Polyak, 1964.
    Momentum "sgd_momentum" () [momentum] {momentum}
        once { rate = rate; kept = T::from_f64(momentum); }
        each {
            *momentum = *momentum * kept - gradient * rate;
            *parameter += *momentum;
        }

    /// Nesterov, 1983; Sutskever et al., 2013.
    Nesterov "sgd_nesterov" () [momentum] {momentum}
        once { rate = rate; kept = T::from_f64(momentum); }
        each {
            let change = gradient * rate;
            *momentum = *momentum * kept - change;
            *parameter += *momentum * kept - change;
        }

    /// Kingma and Ba, 2014 (arXiv 1412.6980).
    Adam "adam" (step) [momentum, velocity] {beta_1, beta_2, epsilon}
        once {
            alpha = rate * correction::<T>(beta_2, step).sqrt() / correction(beta_1, step);
            first = T::from_f64(1.0 - beta_1);
            second = T::from_f64(1.0 - beta_2);
            epsilon = T::from_f64(epsilon);
        }
        each {
            *momentum += (gradient - *momentum) * first;
            *velocity += (gradient * gradient - *velocity) * second;
            *parameter -= *momentum * alpha / (velocity.sqrt() + epsilon);
        }

    /// `AMSGrad`: Reddi et al., 2018.
    AmsGrad "adam_amsgrad" (step) [momentum, velocity, velocity_hat] {beta_1, beta_2, epsilon}
        once {
            alpha = rate * correction::<T>(beta_2, step).sqrt() / correction(beta_1, step);
            first = T::from_f64(1.0 - beta_1);
            second = T::from_f64(1.0 - beta_2);
            epsilon = T::from_f64(epsilon);
        }
        each {
            *momentum += (gradient - *momentum) * first;
            *velocity += (gradient * gradient - *velocity) * second;
            // A NaN wins.
            *velocity_hat = if *velocity_hat > *velocity { *velocity_hat } else { *velocity };
            *parameter -= *momentum * alpha / (velocity_hat.sqrt() + epsilon);
        }

    /// Kingma and Ba, 2014, section 7.1.
    Adamax "adamax" (step) [momentum, norm] {beta_1, beta_2, epsilon}
        once {
            alpha = rate / correction(beta_1, step);
            first = T::from_f64(1.0 - beta_1);
            kept = T::from_f64(beta_2);
            epsilon = T::from_f64(epsilon);
        }
        each {
            *momentum += (gradient - *momentum) * first;
            let (before, size) = (*norm * kept, gradient.abs());
            // A NaN of the gradient wins.
            *norm = if before > size { before } else { size };
            *parameter -= *momentum * alpha / (*norm + epsilon);
        }

    /// Dozat, 2015. `product` is that of the momenta of all steps, this one's included.
    Nadam "nadam" (step, product) [momentum, velocity] {beta_1, beta_2, epsilon}
        once {
            now = momentum_at::<T>(beta_1, step);
            later = momentum_at::<T>(beta_1, step + 1.0);
            product = T::from_f64(product);
            ahead = later / (T::ONE - product * later);
            here = (T::ONE - now) / (T::ONE - product);
            first = T::ONE - T::from_f64(beta_1);
            second = T::ONE - T::from_f64(beta_2);
            corrected = T::ONE / correction(beta_2, step);
            rate = rate;
            epsilon = T::from_f64(epsilon);
        }
        each {
            *momentum += (gradient - *momentum) * first;
            *velocity += (gradient * gradient - *velocity) * second;
            let direction = *momentum * ahead + gradient * here;
            *parameter -= direction * rate / ((*velocity * corrected).sqrt() + epsilon);
        }

    /// Defazio et al., 2024 (arXiv 2405.15682): `momentum` is the point that descends, the parameter lies between it and
    /// the mean of all such points.
    ScheduleFreeAdamW "schedule_free_adamw" (step) [momentum, velocity] {beta_1, beta_2, epsilon, warmup_steps}
        once {
            rate = if warmup_steps > 0.0 { rate * T::from_f64(step / warmup_steps).min(T::ONE) } else { rate };
            second = T::ONE - T::from_f64(beta_2);
            corrected = T::ONE / correction(beta_2, step);
            epsilon = T::from_f64(epsilon);
            share = T::from_f64(beta_1);
            rest = T::ONE - share;
            weight = T::ONE / T::from_f64(step);
            old = T::ONE - weight;
        }
        each {
            *velocity += (gradient * gradient - *velocity) * second;
            let mean = (*parameter - *momentum * rest) / share;
            *momentum -= gradient * rate / ((*velocity * corrected).sqrt() + epsilon);
            *parameter = *momentum * rest + (mean * old + *momentum * weight) * share;
        }

    /// Tieleman and Hinton, 2012.
    RmsProp "rmsprop" () [velocity] {rho, epsilon}
        once { rate = rate; rest = T::from_f64(1.0 - rho); rho = T::from_f64(rho); epsilon = T::from_f64(epsilon); }
        each {
            *velocity = *velocity * rho + gradient * gradient * rest;
            *parameter -= gradient * rate / (*velocity + epsilon).sqrt();
        }

    /// `RMSprop` whose steps build up speed.
    RmsPropMomentum "rmsprop_momentum" () [velocity, momentum] {rho, epsilon, momentum}
        once {
            rate = rate;
            rest = T::from_f64(1.0 - rho);
            rho = T::from_f64(rho);
            epsilon = T::from_f64(epsilon);
            kept = T::from_f64(momentum);
        }
        each {
            *velocity = *velocity * rho + gradient * gradient * rest;
            *momentum = *momentum * kept + gradient * rate / (*velocity + epsilon).sqrt();
            *parameter -= *momentum;
        }

    /// `RMSprop` relative to the gradient's variance (Graves, 2013).
    RmsPropCentered "rmsprop_centered" () [velocity, average_gradient] {rho, epsilon}
        once { rate = rate; rest = T::from_f64(1.0 - rho); rho = T::from_f64(rho); epsilon = T::from_f64(epsilon); }
        each {
            *velocity = *velocity * rho + gradient * gradient * rest;
            *average_gradient = *average_gradient * rho + gradient * rest;
            let variance = *velocity - *average_gradient * *average_gradient;
            *parameter -= gradient * rate / (variance + epsilon).sqrt();
        }

    /// Both.
    RmsPropCenteredMomentum "rmsprop_centered_momentum" () [velocity, momentum, average_gradient] {rho, epsilon, momentum}
        once {
            rate = rate;
            rest = T::from_f64(1.0 - rho);
            rho = T::from_f64(rho);
            epsilon = T::from_f64(epsilon);
            kept = T::from_f64(momentum);
        }
        each {
            *velocity = *velocity * rho + gradient * gradient * rest;
            *average_gradient = *average_gradient * rho + gradient * rest;
            let variance = *velocity - *average_gradient * *average_gradient;
            *momentum = *momentum * kept + gradient * rate / (variance + epsilon).sqrt();
            *parameter -= *momentum;
        }

    /// Duchi et al., 2011.
    Adagrad "adagrad" () [accumulator] {epsilon}
        once { rate = rate; epsilon = T::from_f64(epsilon); }
        each {
            *accumulator += gradient * gradient;
            *parameter -= gradient * rate / (*accumulator + epsilon).sqrt();
        }

    /// Zeiler, 2012 (arXiv 1212.5701): means of squared gradients and of squared steps.
    Adadelta "adadelta" () [accumulated_grad, accumulated_delta_var] {rho, epsilon}
        once { rate = rate; rest = T::from_f64(1.0 - rho); rho = T::from_f64(rho); epsilon = T::from_f64(epsilon); }
        each {
            *accumulated_grad = *accumulated_grad * rho + gradient * gradient * rest;
            let size = (*accumulated_delta_var + epsilon).sqrt();
            let change = size * gradient / (*accumulated_grad + epsilon).sqrt();
            *accumulated_delta_var = *accumulated_delta_var * rho + change * change * rest;
            *parameter -= change * rate;
        }

    /// "Ad click prediction: a view from the trenches", 2013, with the usual exponent of -0.5.
    Ftrl "ftrl" () [accumulator, linear] {l1, l2, l2_shrinkage, beta}
        once {
            rate = rate;
            l1 = T::from_f64(l1);
            shrinkage = T::from_f64(2.0 * l2_shrinkage);
            curve = (T::from_f64(l2) + T::from_f64(beta) / (rate + rate)) * T::from_f64(2.0);
        }
        each {
            let total = *accumulator + gradient * gradient;
            let (before, after) = (accumulator.sqrt(), total.sqrt());
            let shrunk = gradient + *parameter * shrinkage;
            *linear += shrunk - (after - before) / rate * *parameter;
            *accumulator = total;
            *parameter = (within(*linear, l1) - *linear) / (after / rate + curve);
        }

    /// FTRL with another exponent.
    FtrlPower "ftrl_power" () [accumulator, linear] {l1, l2, l2_shrinkage, beta, power}
        once {
            rate = rate;
            l1 = T::from_f64(l1);
            shrinkage = T::from_f64(2.0 * l2_shrinkage);
            curve = (T::from_f64(l2) + T::from_f64(beta) / (rate + rate)) * T::from_f64(2.0);
            power = T::from_f64(-power);
        }
        each {
            let total = *accumulator + gradient * gradient;
            let (before, after) = (raised(*accumulator, power), raised(total, power));
            let shrunk = gradient + *parameter * shrinkage;
            *linear += shrunk - (after - before) / rate * *parameter;
            *accumulator = total;
            *parameter = (within(*linear, l1) - *linear) / (after / rate + curve);
        }

    /// Chen et al., 2023 (arXiv 2302.06675): steps of one size in every element.
    Lion "lion" () [momentum] {beta_1, beta_2}
        once {
            rate = rate;
            kept = T::from_f64(beta_1);
            rest = T::ONE - kept;
            kept_after = T::from_f64(beta_2);
            rest_after = T::ONE - kept_after;
        }
        each {
            let mixed = *momentum * kept + gradient * rest;
            // 0 and NaN stay what they are.
            let sign = if mixed > T::ZERO { T::ONE } else if mixed < T::ZERO { -T::ONE } else { mixed };
            *momentum = *momentum * kept_after + gradient * rest_after;
            *parameter -= sign * rate;
        }
}

/// What a running mean of decay `beta` that began with 0 has to be divided by after `step` steps.
fn correction<T: Float>(beta: f64, step: f64) -> T {
    // Rounded to the parameter's type on the way, as Keras does: 1 - beta^step cancels, so the roundings show.
    T::ONE - T::from_f64(T::from_f64(beta).to_f64().powf(step))
}

/// Nadam's schedule of the momentum.
fn momentum_at<T: Float>(beta: f64, step: f64) -> T {
    let decayed = T::from_f64(T::from_f64(0.96).to_f64().powf(step));
    T::from_f64(beta) * (T::ONE - T::from_f64(0.5) * decayed)
}

#[inline(always)]
fn raised<T: Float>(x: T, power: T) -> T {
    T::from_f64(x.to_f64().powf(power.to_f64()))
}

/// `x`, at most `limit` from 0; NaN stays.
#[inline(always)]
pub(super) fn within<T: Float>(x: T, limit: T) -> T {
    if x > limit {
        limit
    } else if x < -limit {
        -limit
    } else {
        x
    }
}
