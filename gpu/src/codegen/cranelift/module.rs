//! The machine: instruction set, compiled functions, and the primitives that they call.

use std::mem::ManuallyDrop;
use std::sync::OnceLock;

use cranelift::codegen::Context;
use cranelift::codegen::ir::{FuncRef, Function, UserFuncName};
use cranelift::jit::{JITBuilder, JITModule};
use cranelift::module::{FuncId, Linkage, Module, default_libcall_names};
use cranelift::prelude::*;

use super::context::RowLoop;
use crate::error::{Error, Result};
use crate::primitive::{Primitive, Register};

/// The processor as Cranelift knows it, found once.
fn machine() -> Result<isa::OwnedTargetIsa> {
    static MACHINE: OnceLock<Result<isa::OwnedTargetIsa, String>> = OnceLock::new();
    let found = MACHINE.get_or_init(|| {
        let mut flags = settings::builder();
        let verify = if cfg!(any(test, debug_assertions)) { "true" } else { "false" };
        let wanted = [
            ("opt_level", "speed"),
            ("enable_verifier", verify),
            ("is_pic", "false"),
            ("use_colocated_libcalls", "false"),
            ("enable_probestack", "false"),
            ("unwind_info", "false"),
        ];
        for (name, value) in wanted {
            flags.set(name, value).map_err(|error| format!("Cranelift's setting {name}: {error}"))?;
        }
        let builder = cranelift::native::builder().map_err(str::to_owned)?;
        builder.finish(settings::Flags::new(flags)).map_err(|error| error.to_string())
    });
    found.clone().map_err(|why| Error::Unsupported(format!("no code can be generated for this processor: {why}")))
}

/// The primitives that a module has asked for.
pub(super) struct Imports {
    module: JITModule,
    known: Vec<(Primitive, FuncId)>,
}

impl Imports {
    /// The primitive, as a function can call it.
    pub fn function(&mut self, primitive: Primitive, function: &mut Function) -> FuncRef {
        let found = self.known.iter().find(|(known, _)| *known == primitive).map(|(_, id)| *id);
        let id = found.unwrap_or_else(|| {
            let id = self.declare(primitive);
            self.known.push((primitive, id));
            id
        });
        self.module.declare_func_in_func(id, function)
    }

    fn declare(&mut self, primitive: Primitive) -> FuncId {
        let mut signature = self.module.make_signature();
        let (arguments, result) = primitive.signature();
        let of = |register: &Register| {
            AbiParam::new(match register {
                Register::I8 => types::I8,
                Register::I32 => types::I32,
                Register::I64 => types::I64,
                Register::F32 => types::F32,
                Register::F64 => types::F64,
            })
        };
        signature.params.extend(arguments.iter().map(of));
        signature.returns.push(of(&result));
        let declared = self.module.declare_function(&primitive.name(), Linkage::Import, &signature);
        declared.expect("a primitive has one name and one signature")
    }
}

/// Functions while they are being compiled.
pub(super) struct Builder {
    imports: Imports,
    signature: Signature,
    context: Context,
    scratch: FunctionBuilderContext,
    config: isa::TargetFrontendConfig,
    functions: Vec<FuncId>,
    with_text: bool,
    text: String,
}

/// Compiled functions. They live as long as this.
pub(super) struct Functions {
    module: ManuallyDrop<JITModule>,
    ids: Vec<FuncId>,
    /// What they were compiled from.
    pub text: String,
}

// SAFETY: nothing of the module changes once its functions are finished; their code is read and run only.
unsafe impl Send for Functions {}
// SAFETY: as above.
unsafe impl Sync for Functions {}

impl Builder {
    /// An empty module. `with_text`: what is compiled is kept as text too.
    pub fn new(with_text: bool) -> Result<Self> {
        let machine = machine()?;
        let mut builder = JITBuilder::with_isa(machine, default_libcall_names());
        builder.symbol_lookup_fn(Box::new(|name| ADDRESSES.get_or_init(addresses).get(name).map(|address| address.0)));
        let module = JITModule::new(builder);
        let mut signature = module.make_signature();
        signature.params.extend([AbiParam::new(types::I64); 4]);
        signature.returns.push(AbiParam::new(types::I64));
        let config = module.target_config();
        let context = module.make_context();
        let imports = Imports { module, known: vec![] };
        let scratch = FunctionBuilderContext::new();
        Ok(Self { imports, signature, context, scratch, config, functions: vec![], with_text, text: String::new() })
    }

    /// Compiles one loop, which `write` writes, and says which of the module's functions it is.
    pub fn define(
        &mut self,
        name: &str,
        write: impl FnOnce(FunctionBuilder<'_>, &mut Imports, isa::TargetFrontendConfig),
    ) -> Result<usize> {
        let failed = |error: cranelift::module::ModuleError| Error::Invalid(format!("the loop {name} does not compile: {error}"));
        let id = self.imports.module.declare_function(name, Linkage::Local, &self.signature).map_err(failed)?;
        self.context.clear();
        self.context.func.signature = self.signature.clone();
        self.context.func.name = UserFuncName::user(0, id.as_u32());
        write(FunctionBuilder::new(&mut self.context.func, &mut self.scratch), &mut self.imports, self.config);
        use std::fmt::Write;
        if self.with_text {
            let _ = writeln!(self.text, "; {name}\n{}", self.context.func.display());
        }
        self.imports
            .module
            .define_function(id, &mut self.context)
            .map_err(|error| Error::Invalid(format!("the loop {name} does not compile: {error:?}")))?;
        self.functions.push(id);
        Ok(self.functions.len() - 1)
    }

    /// Makes the code executable.
    pub fn finish(self) -> Result<Functions> {
        let Self { mut imports, functions, mut text, .. } = self;
        let finished = imports.module.finalize_definitions();
        finished.map_err(|error| Error::Invalid(format!("compiled loops cannot be finished: {error}")))?;
        for (primitive, id) in &imports.known {
            use std::fmt::Write;
            let _ = writeln!(text, "; u0:{} is {}", id.as_u32(), primitive.name());
        }
        Ok(Functions { module: ManuallyDrop::new(imports.module), ids: functions, text })
    }
}

impl Functions {
    /// A function, by the number that `define` gave.
    pub fn get(&self, at: usize) -> RowLoop {
        let address = self.module.get_finalized_function(self.ids[at]);
        // SAFETY: every function of the module was defined with this signature.
        unsafe { std::mem::transmute::<*const u8, RowLoop>(address) }
    }
}

impl Drop for Functions {
    fn drop(&mut self) {
        // SAFETY: the module is taken once, here; who holds its code holds this value too.
        unsafe { ManuallyDrop::take(&mut self.module).free_memory() };
    }
}

/// An address that threads may share: it is code.
struct Address(*const u8);
// SAFETY: code does not change.
unsafe impl Send for Address {}
// SAFETY: as above.
unsafe impl Sync for Address {}

static ADDRESSES: OnceLock<std::collections::HashMap<String, Address>> = OnceLock::new();

fn addresses() -> std::collections::HashMap<String, Address> {
    Primitive::all().into_iter().map(|primitive| (primitive.name(), Address(primitive.address()))).collect()
}
